import { Queue, QueueEventsProducer } from "bullmq";

import type { Backend } from "./backend.ts";

/** How many queues that are only read stay open. */
const READERS = 50;
/** The longest duration of a call, in milliseconds. */
const RETIRE_MS = 30_000;

/** BullMQ's queues of a store, opened when they are needed. */
export class Queues {
  readonly backend: Backend;
  readonly #writers = new Map<string, Queue>();
  readonly #producers = new Map<string, QueueEventsProducer>();
  readonly #readers = new Map<string, Queue>();
  readonly #retired = new Map<NodeJS.Timeout, Queue>();

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** A queue for writing: it exists from now on. */
  writer(name: string): Queue {
    const open = this.#writers.get(name) ?? this.#open(name, false);
    this.#writers.set(name, open);
    return open;
  }

  /** A queue for reading. Its name may come from an untrusted client, so it is not created, and few stay open. */
  reader(name: string): Queue {
    const open = this.#writers.get(name) ?? this.#readers.get(name) ?? this.#open(name, true);
    if (this.#writers.has(name)) return open;
    this.#readers.delete(name);
    this.#readers.set(name, open);
    const [oldest] = this.#readers;
    if (this.#readers.size > READERS && oldest !== undefined) this.#retire(...oldest);
    return open;
  }

  /** Closes a reader after its pending calls are answered. */
  #retire(name: string, reader: Queue): void {
    this.#readers.delete(name);
    const timer = setTimeout(() => {
      this.#retired.delete(timer);
      // Other queues do not need it, and no caller waits for it.
      reader.close().catch(() => undefined);
    }, RETIRE_MS);
    timer.unref();
    this.#retired.set(timer, reader);
  }

  /** Adds an event of newel to the durable events of a queue. */
  events(name: string): QueueEventsProducer {
    const { connection, factory } = this.backend;
    const open =
      this.#producers.get(name) ??
      new QueueEventsProducer(name, { connection } as never, factory as never);
    if (!this.#producers.has(name)) open.on("error", () => undefined);
    this.#producers.set(name, open);
    return open;
  }

  async close(): Promise<void> {
    const open = [
      ...this.#writers.values(),
      ...this.#readers.values(),
      ...this.#producers.values(),
      ...this.#retired.values(),
    ];
    for (const timer of this.#retired.keys()) clearTimeout(timer);
    this.#retired.clear();
    this.#writers.clear();
    this.#readers.clear();
    this.#producers.clear();
    for (const queue of open) await queue.close();
    await this.backend.close();
  }

  #open(name: string, skipMetasUpdate: boolean): Queue {
    const { connection, factory } = this.backend;
    const queue = new Queue(name, { connection, skipMetasUpdate } as never, factory as never);
    // The failed call reports its error; an `error` event without a listener would end the process.
    queue.on("error", () => undefined);
    return queue;
  }
}
