import assert from "node:assert/strict";
import { type SpawnOptions, spawnSync } from "node:child_process";
import { once } from "node:events";
import { stripVTControlCharacters } from "node:util";

import { eventually, type Scope, startProcess } from "../helpers/resources.ts";
import { collect } from "./world.ts";

/** The reason why no pseudo-terminal is available. */
export const withoutTerminal: string | false =
  spawnSync("script", ["--version"]).status === 0
    ? false
    : "needs the `script` program of util-linux for a pseudo-terminal";

/** A person at a pseudo-terminal: one key after the other. */
export class Person {
  readonly #keys: NodeJS.WritableStream;
  readonly #screen: () => string;
  readonly ended: Promise<unknown>;
  #read = 0;

  constructor(scope: Scope, words: readonly string[], options: SpawnOptions) {
    const terminal = startProcess(scope, "script", ["-qec", words.join(" "), "/dev/null"], {
      ...options,
      stdio: ["pipe", "pipe", "pipe"],
    });
    assert.ok(terminal.stdin !== null);
    this.#keys = terminal.stdin;
    this.#screen = collect(terminal.stdout);
    this.ended = once(terminal, "close");
  }

  /** All bytes that the terminal got. */
  get screen(): string {
    return this.#screen();
  }

  /** Presses keys as fingers do: a burst would be a paste, in which Tab is a character. */
  async type(keys: string): Promise<void> {
    for (const key of keys) await this.press(key);
  }

  /** The next key comes when the program has shown something for this one, or has nothing to show. */
  async press(key: string): Promise<void> {
    const shown = this.#screen().length;
    this.#keys.write(key);
    for (let waitedMs = 0; waitedMs < 600; waitedMs += 15) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      if (this.#screen().length > shown) return;
    }
  }

  /** Waits for words on the screen after the words that were found before. */
  async sees(words: string | RegExp): Promise<void> {
    await eventually(
      () => {
        const screen = stripVTControlCharacters(this.#screen()).replaceAll("\r", "");
        const found =
          typeof words === "string" ? screen.indexOf(words, this.#read) : screen.search(words);
        if (found < 0) return false;
        if (typeof words === "string") this.#read = found + words.length;
        return true;
      },
      `${words} after ${stripVTControlCharacters(this.#screen()).slice(this.#read)}`,
    );
  }
}
