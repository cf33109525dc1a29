import { writeSync } from "node:fs";
import { emitKeypressEvents } from "node:readline";
import type { ReadStream } from "node:tty";

import { systemCode } from "../../base/errors.ts";
import type { Screen } from "../output/output.ts";
import type { Key } from "./state.ts";

/** The alternate screen, without a cursor and without line breaks at its edge. */
const ENTER = "\u001B[?1049h\u001B[?25l\u001B[?7l";
const LEAVE = "\u001B[?7h\u001B[?25h\u001B[?1049l";
const HOME = "\u001B[H";
const CLEAR_LINE = "\u001B[K";
const CLEAR_BELOW = "\u001B[J";
const STDOUT = 1;
/** The height of a terminal that has no size. */
const DEFAULT_ROWS = 24;

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The listeners of a full screen. */
export interface ScreenEvents {
  readonly key: (key: Key) => void;
  /** The terminal has another size, or is back after a suspension. */
  readonly redraw: () => void;
  /** A signal asked for the end, or the terminal has gone. */
  readonly end: () => void;
}

/**
 * The whole terminal: frames are drawn on the alternate screen, keys are read one by one. The terminal has its former
 * state after {@link leave}, and after every other end of the program but SIGKILL.
 */
export class FullScreen {
  readonly #input: ReadStream;
  readonly #stdout: Screen;
  readonly #events: ScreenEvents;
  #isOpen = false;

  constructor(input: ReadStream, stdout: Screen, events: ScreenEvents) {
    this.#input = input;
    this.#stdout = stdout;
    this.#events = events;
  }

  enter(): void {
    emitKeypressEvents(this.#input);
    this.#input.on("keypress", this.#pressed);
    this.#input.once("end", this.#events.end);
    this.#input.once("error", this.#events.end);
    this.#stdout.on("resize", this.#events.redraw);
    for (const signal of SIGNALS) process.on(signal, this.#events.end);
    process.on("SIGCONT", this.#continued);
    process.on("exit", this.#restore);
    this.#take();
  }

  leave(): void {
    this.#restore();
    process.off("exit", this.#restore);
    process.off("SIGCONT", this.#continued);
    for (const signal of SIGNALS) process.off(signal, this.#events.end);
    this.#stdout.off("resize", this.#events.redraw);
    this.#input.off("error", this.#events.end);
    this.#input.off("end", this.#events.end);
    this.#input.off("keypress", this.#pressed);
    this.#input.pause();
  }

  /** Shows lines from the top; a line that is longer than the screen is cut. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return;
    const text = lines.map((line) => line + CLEAR_LINE).join("\r\n");
    this.#stdout.write(HOME + text + CLEAR_BELOW);
  }

  get height(): number {
    const { rows = 0 } = this.#stdout;
    return rows > 0 ? rows : DEFAULT_ROWS;
  }

  /** Gives the terminal back and stops the process until its shell continues it. */
  suspend(): void {
    this.#restore();
    process.kill(process.pid, "SIGTSTP");
  }

  readonly #pressed = (_text: string | undefined, key: Key): void => this.#events.key(key);

  readonly #continued = (): void => {
    this.#take();
    this.#events.redraw();
  };

  #take(): void {
    this.#isOpen = true;
    this.#input.setRawMode(true);
    this.#input.resume();
    this.#stdout.write(ENTER);
  }

  /** Synchronous, because it is called while the process ends too. */
  readonly #restore = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#input.setRawMode(false);
      writeSync(STDOUT, LEAVE);
    } catch (error) {
      // The terminal has gone: it has no state any more.
      if (!["EIO", "EPIPE", "EBADF", "ENXIO"].includes(systemCode(error) ?? "")) throw error;
    }
  };
}
