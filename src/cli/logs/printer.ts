import { counted } from "../../base/counted.ts";
import { formatSize } from "../../base/units.ts";
import type { GapReason } from "../../kernel/process-api.ts";
import type { Output, Style } from "../output/output.ts";
import type { Source } from "../select.ts";
import type { LogLine } from "./line.ts";

/** Why output is lost, for people. */
const REASONS: Readonly<Record<GapReason, string>> = {
  bufsize: "the bound of its buffer was reached (see logs.bufsize)",
  age: "they were older than its limit (see logs.maxAge)",
  pruned: "they were pruned",
  disk: "they could not be written, such as to a full disk",
  removed: "their files were removed or cut by another program",
};

/** The sentence about output that is lost before a line. */
export function gapSentence({ source, gap, reason }: LogLine): string {
  const why = reason === undefined ? "its buffer was full (see logs.bufsize)" : REASONS[reason];
  return `${source.name}: ${counted(gap, "byte")} (${formatSize(gap)}) of its output ${gap === 1 ? "is" : "are"} lost here: ${why}.`;
}

export interface PrintOptions {
  /** Lines as they are, without the name of the process before them. */
  readonly raw: boolean;
  /** The time before each line. */
  readonly time: boolean;
}

const PREFIX_STYLES: readonly Style[] = ["cyan", "yellow", "green", "magenta", "blue", "white"];

/** Prints lines of processes: `web.1 | the line`, byte for byte behind the prefix. */
export class LinePrinter {
  readonly #output: Output;
  readonly #options: PrintOptions;
  readonly #styles = new Map<string, Style>();
  #apps = new Set<string>();
  #width = 0;

  constructor(output: Output, options: PrintOptions) {
    this.#output = output;
    this.#options = options;
  }

  /** Names that are known from the beginning, so that all prefixes are of one width. */
  expect(sources: readonly Source[]): void {
    for (const { run } of sources) if (run !== undefined) this.#apps.add(run.app);
    for (const source of sources) this.#width = Math.max(this.#width, this.#label(source).length);
  }

  async print(line: LogLine): Promise<void> {
    if (this.#output.json) this.#printObject(line);
    else this.#printText(line);
    await this.#output.drained();
  }

  #printText(line: LogLine): void {
    const { bytes, gap, isGap } = line;
    if (gap > 0) this.#output.say(gapSentence(line));
    if (isGap) return;
    const head = Buffer.from(this.#time(line) + this.#prefix(line));
    this.#output.stdout.write(Buffer.concat([head, bytes, NEWLINE]));
  }

  #time({ timeMs }: LogLine): string {
    if (!this.#options.time) return "";
    return `${this.#output.style("dim", new Date(timeMs).toISOString())} `;
  }

  #prefix({ source, stream }: LogLine): string {
    if (this.#options.raw) return "";
    const label = this.#label(source);
    this.#width = Math.max(this.#width, label.length);
    const bar = stream === "err" ? this.#output.style("red", "|") : "|";
    return `${this.#output.style(this.#styleOf(source), label.padEnd(this.#width))} ${bar} `;
  }

  #label({ run, name }: Source): string {
    return run !== undefined && this.#apps.size > 1 ? `${run.app}/${name}` : name;
  }

  #styleOf({ run, name }: Source): Style {
    const service = run?.service ?? name;
    const known = this.#styles.get(service);
    if (known !== undefined) return known;
    const style = PREFIX_STYLES[this.#styles.size % PREFIX_STYLES.length] ?? "white";
    this.#styles.set(service, style);
    return style;
  }

  #printObject({ source, stream, timeMs, offset, bytes, gap, reason, isGap }: LogLine): void {
    const { run, name, info } = source;
    this.#output.printObject({
      ...(run === undefined ? {} : { app: run.app, service: run.service }),
      process: name,
      kernelName: info.name,
      stream,
      timeMs,
      offset,
      ...(gap > 0 ? { gap } : {}),
      ...(reason === undefined ? {} : { reason }),
      ...(isGap ? {} : { line: bytes.toString("utf8") }),
    });
  }
}

const NEWLINE = Buffer.from("\n");
