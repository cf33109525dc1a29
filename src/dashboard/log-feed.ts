import { messageOf } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";
import type { LogsWanted, PageLine } from "./messages.ts";
import type { PageStream } from "./page-stream.ts";
import type { Source } from "./source.ts";

const FLUSH_MS = 250;
/** The wait before a reading that ended is repeated: the kernel may have been replaced. */
const RETRY_MS = 1_000;
/** The most lines of one message; a person reads fewer. */
const MOST_LINES = 1_000;

/** Sends the lines that one page wants, and says how many it left out when they come too fast. */
export class LogFeed {
  readonly #page: PageStream;
  readonly #wanted: LogsWanted;
  readonly #stop = new AbortController();
  #lines: PageLine[] = [];
  #skipped = 0;
  #isFirst = true;
  #timer: NodeJS.Timeout | undefined;

  constructor(page: PageStream, wanted: LogsWanted, source: Source) {
    this.#page = page;
    this.#wanted = wanted;
    void this.#read(source);
  }

  async #read(source: Source): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      let trouble = "";
      try {
        await source.logs(
          this.#wanted,
          { print: (line) => this.#add(line), caughtUp: () => this.#schedule() },
          signal,
        );
      } catch (error) {
        trouble = messageOf(error);
      }
      if (signal.aborted) return;
      if (trouble !== "") this.#page.send("trouble", { text: trouble });
      await sleep(RETRY_MS, signal);
      this.#lines = [];
      this.#isFirst = true;
    }
  }

  stop(): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
  }

  #add(line: PageLine): void {
    this.#lines.push(line);
    if (this.#lines.length > MOST_LINES) {
      this.#lines.shift();
      this.#skipped += 1;
    }
    this.#schedule();
  }

  #schedule(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    this.#timer = undefined;
    this.#page.send("logs", {
      request: this.#wanted.request,
      lines: this.#lines,
      skipped: this.#skipped,
      ...(this.#isFirst ? { isFirst: true } : {}),
    });
    this.#lines = [];
    this.#skipped = 0;
    this.#isFirst = false;
  }
}
