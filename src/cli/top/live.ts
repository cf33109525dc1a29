import type { ReadStream } from "node:tty";

import { messageOf } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Progress } from "../../supervisor/api.ts";
import type { Output } from "../output/output.ts";
import { formatFrame } from "./frame.ts";
import type { Sampler } from "./sampler.ts";
import type { Row } from "./rows.ts";
import { FullScreen } from "./screen.ts";
import { type Key, press, type TopState, type TopVerb } from "./state.ts";

/** The parts of the live view. */
export interface LiveParts {
  readonly sampler: Sampler;
  readonly output: Output;
  readonly input: ReadStream;
  readonly intervalMs: number;
  readonly state: TopState;
}

/** Shows the table on the whole terminal until the operator quits. */
export async function showLive(parts: LiveParts): Promise<void> {
  await new Live(parts).run();
}

class Live {
  readonly #parts: LiveParts;
  readonly #screen: FullScreen;
  readonly #ended = new AbortController();
  #state: TopState;
  #rows: readonly Row[] = [];
  #message: string | undefined;
  /** The failure of the last reading; a reading that succeeds removes it. */
  #failure: string | undefined;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#screen = new FullScreen(parts.input, parts.output.stdout, {
      key: (key) => this.#pressed(key),
      redraw: () => this.#draw(),
      end: () => this.#ended.abort(),
    });
  }

  async run(): Promise<void> {
    const { sampler, intervalMs } = this.#parts;
    const { signal } = this.#ended;
    this.#screen.enter();
    try {
      while (!signal.aborted) {
        try {
          await sampler.read();
          this.#rows = sampler.rows(this.#state.by);
          this.#failure = undefined;
        } catch (error) {
          this.#failure = messageOf(error);
        }
        this.#draw();
        await sleep(intervalMs, signal);
      }
    } finally {
      this.#screen.leave();
    }
  }

  #pressed(key: Key): void {
    const before = this.#state;
    const { state, request } = press(before, key, this.#rows);
    this.#state = state;
    if (state.by !== before.by) this.#rows = this.#parts.sampler.rows(state.by);
    if (request === "quit") this.#ended.abort();
    else if (request === "suspend") this.#screen.suspend();
    else if (request !== undefined) void this.#carryOut(request.verb, request.target);
    this.#draw();
  }

  /** The table stays live while the verb is carried out; the line below the table shows its progress. */
  async #carryOut(verb: TopVerb, target: string): Promise<void> {
    this.#say(`${verb} ${target} …`);
    try {
      for await (const event of this.#parts.sampler.perform(verb, target)) {
        const text = progressText(event, verb, target);
        if (text !== undefined) this.#say(text);
      }
    } catch (error) {
      this.#say(messageOf(error));
    }
  }

  #say(text: string): void {
    this.#message = text;
    this.#draw();
  }

  #draw(): void {
    const { output } = this.#parts;
    const moment = {
      rows: this.#rows,
      state: this.#state,
      message: this.#failure ?? this.#message,
      clock: new Date().toTimeString().slice(0, 8),
    };
    this.#screen.draw(formatFrame(moment, output, this.#screen.height));
  }
}

/** The failure of a verb stays: the `end` after it says less. */
function progressText(event: Progress, verb: TopVerb, target: string): string | undefined {
  switch (event.type) {
    case "step":
    case "note":
      return event.text;
    case "killed":
      return `${event.process}: killed the processes that outlived the stop`;
    case "failed":
      return `${event.message} (newel why ${target})`;
    case "end":
      return event.ok ? `${verb} ${target}: done` : undefined;
  }
}
