import { Writable } from "node:stream";

import { execute } from "../../src/cli/cli.ts";
import { Output, type Screen } from "../../src/cli/output/output.ts";
import { COMPILE_CACHE } from "../helpers/resources.ts";

/** A stream that keeps all text written to it. */
export class Capture extends Writable {
  readonly isTTY: boolean;
  readonly columns: number;
  readonly #pieces: Buffer[] = [];

  constructor({ isTTY = false, columns = 80 }: { isTTY?: boolean; columns?: number } = {}) {
    super();
    this.isTTY = isTTY;
    this.columns = columns;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#pieces.push(chunk);
    done();
  }

  /** The facts that a terminal must report before it gets colours. */
  getColorDepth(): number {
    return this.isTTY ? 8 : 1;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  get text(): string {
    return this.bytes.toString("utf8");
  }
}

/** An Output over captures. */
export function captured(options: { isTTY?: boolean; columns?: number; json?: boolean } = {}): {
  output: Output;
  stdout: Capture;
  stderr: Capture;
} {
  const stdout: Capture & Screen = new Capture(options);
  const stderr: Capture & Screen = new Capture(options);
  const json = options.json ?? false;
  return { output: new Output({ stdout, stderr, json, environment: {} }), stdout, stderr };
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process. */
export async function runHere(
  argv: readonly string[],
  { home = "/nonexistent/newel", cwd = "/" }: { home?: string; cwd?: string } = {},
): Promise<Ran> {
  const [stdout, stderr] = [new Capture(), new Capture()];
  const environment = { PATH: process.env["PATH"], NEWEL_HOME: home, ...COMPILE_CACHE };
  const code = await execute(argv, { stdout, stderr, cwd, environment });
  return { code, stdout: stdout.text, stderr: stderr.text };
}
