import type { Writable } from "node:stream";
import { styleText } from "node:util";

import { systemCode } from "../../base/errors.ts";

/** A stream that may be a terminal. */
export type Screen = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

export type Style = Parameters<typeof styleText>[0];

/** The width where stdout is no terminal. */
const DEFAULT_COLUMNS = 80;

/**
 * The output of a command: data to stdout, progress and messages to stderr. A stream that is no terminal
 * gets no escape sequence, and no stream gets one when NO_COLOR is set.
 */
export class Output {
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** Whether data is printed as JSON. */
  readonly json: boolean;
  /**
   * Called when stdout takes no more: its reader went away, as `head` does, or (`failed`) it cannot be
   * written, for example because the disk is full.
   */
  onBroken: (failed: boolean) => void = (failed) => process.exit(failed ? 1 : 0);
  readonly #environment: NodeJS.ProcessEnv;
  readonly #broken = Promise.withResolvers<void>();

  constructor(options: {
    readonly stdout: Screen;
    readonly stderr: Screen;
    readonly json: boolean;
    readonly environment: NodeJS.ProcessEnv;
  }) {
    this.stdout = options.stdout;
    this.stderr = options.stderr;
    this.json = options.json;
    this.#environment = options.environment;
    this.stdout.on("error", (error) => this.#failed(error));
    // Without a stderr no message can be printed.
    this.stderr.on("error", () => undefined);
  }

  /** A line of data. */
  print(line: string): void {
    this.stdout.write(`${line}\n`);
  }

  /** A message for the operator. */
  say(line: string): void {
    this.stderr.write(`${line}\n`);
  }

  /** One JSON object a line; `v` is the version of its shape. */
  printObject(value: object): void {
    this.print(JSON.stringify(versioned(value)));
  }

  /** One JSON document: an object, or a list of them. */
  printDocument(value: object | readonly object[]): void {
    const document = Array.isArray(value) ? value.map(versioned) : versioned(value);
    this.print(JSON.stringify(document, undefined, 2));
  }

  /** Text in colour for stdout, if that shows colours. */
  style(style: Style, text: string): string {
    return styleText(style, text, { stream: this.stdout, validateStream: true });
  }

  /** Text in colour for stderr, if that shows colours. */
  styleMessage(style: Style, text: string): string {
    return styleText(style, text, { stream: this.stderr, validateStream: true });
  }

  /** How many characters a line of stdout may have. */
  get columns(): number {
    const asked = Number(this.#environment["COLUMNS"]);
    const { isTTY = false, columns = 0 } = this.stdout;
    // A terminal that was opened by a program may have no size: it says 0.
    if (isTTY && columns > 0) return columns;
    return Number.isInteger(asked) && asked > 0 ? asked : DEFAULT_COLUMNS;
  }

  /** Resolves when stdout takes more: a reader that is slow slows what is printed. */
  async drained(): Promise<void> {
    if (!this.stdout.writableNeedDrain) return;
    const drain = new Promise<void>((resolve) => this.stdout.once("drain", resolve));
    await Promise.race([drain, this.#broken.promise]);
  }

  #failed(error: Error): void {
    const failed = systemCode(error) !== "EPIPE";
    if (failed) this.say(`error: the output cannot be written: ${error.message}`);
    this.#broken.resolve();
    this.onBroken(failed);
  }
}

function versioned(value: object): object {
  return { v: 1, ...value };
}

/** Foreign text within a line of newel: control characters become question marks. */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, "?");
}
