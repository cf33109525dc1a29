import type { ServerResponse } from "node:http";

import type { MessageName, Messages } from "./messages.ts";

/** Messages leave at most this often, in milliseconds. */
const FLUSH_MS = 250;
const HEARTBEAT_MS = 5_000;
/** A page that reads so slowly that more bytes wait is disconnected, and gets a new snapshot when it connects again. */
const WAITING_BYTES = 8 * 1_048_576;

/** Of these a newer message replaces the one that waits. */
const REPLACED: ReadonlySet<MessageName> = new Set(["why", "acts", "service", "view", "trouble"]);

const HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream",
  // no-transform, because a compressing proxy would buffer events.
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

/** The event stream of one tab: collects messages and sends them together. */
export class PageStream {
  readonly id: string;
  readonly #response: ServerResponse;
  #waiting: (readonly [MessageName, unknown])[] = [];
  #timer: NodeJS.Timeout | undefined;
  readonly #heartbeat: NodeJS.Timeout;
  #sentMs = -Infinity;

  constructor(id: string, response: ServerResponse) {
    this.id = id;
    this.#response = response;
    response.writeHead(200, HEADERS);
    response.flushHeaders();
    this.#heartbeat = setInterval(() => this.#write(": \n\n"), HEARTBEAT_MS);
    response.once("close", () => this.#stop());
  }

  send<Name extends MessageName>(name: Name, data: Messages[Name]): void {
    if (REPLACED.has(name)) this.#waiting = this.#waiting.filter(([other]) => other !== name);
    this.#waiting.push([name, data]);
    const dueMs = this.#sentMs + FLUSH_MS - performance.now();
    this.#timer ??= setTimeout(() => this.#flush(), Math.max(0, dueMs));
  }

  end(): void {
    this.#response.end();
  }

  #flush(): void {
    this.#timer = undefined;
    this.#sentMs = performance.now();
    const messages = this.#waiting;
    this.#waiting = [];
    this.#write(
      messages.map(([name, data]) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`).join(""),
    );
  }

  #write(text: string): void {
    if (this.#response.destroyed) return;
    this.#response.write(text);
    if (this.#response.writableLength > WAITING_BYTES) this.#response.destroy();
  }

  #stop(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#heartbeat);
  }
}
