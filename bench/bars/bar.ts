export { median } from "../../test/load/scenario.ts";

/** A figure of DESIGN §6 with its limit. */
export interface Bar {
  /** The measured quantity and the bar: `captured output, line writes: ≥ 0.8 × cat`. */
  readonly bar: string;
  readonly value: number;
  readonly unit?: string;
  readonly met: boolean;
  /** The figures behind a ratio. */
  readonly seen?: Readonly<Record<string, number | string>>;
}

/** A bar that has no figure: its part is a later issue, or something to compare with is missing. */
export interface OpenBar {
  readonly bar: string;
  readonly why: string;
}

/** A bar that wants a value of at least, or at most, so much. */
export function barOf(
  what: string,
  value: number,
  limit: { readonly atLeast?: number; readonly atMost?: number; readonly unit?: string },
  seen?: Bar["seen"],
): Bar {
  const { atLeast, atMost, unit = "" } = limit;
  const wanted = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
  return {
    bar: `${what}: ${wanted}${unit === "" ? "" : ` ${unit}`}`,
    value: Math.round(value * 1_000) / 1_000,
    unit,
    met: value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity),
    ...(seen === undefined ? {} : { seen }),
  };
}

/** One line for a bar. */
export function describeBar(of: Bar | OpenBar): string {
  if ("why" in of) return `--    ${of.bar} (${of.why})`;
  const { bar, value, unit = "", met, seen = {} } = of;
  const figure = `${Math.round(value * 100) / 100}${unit === "" ? "" : ` ${unit}`}`;
  const also = Object.entries(seen).map(([name, each]) => `${name} ${each}`);
  const behind = also.length === 0 ? "" : ` (${also.join(", ")})`;
  return `${met ? "ok   " : "BELOW"} ${figure.padStart(9)}  ${bar}${behind}`;
}
