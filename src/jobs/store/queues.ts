import { Queue, QueueEventsProducer } from "bullmq";

import type { Backend } from "./backend.ts";

/** How many queues that were only looked at stay open. */
const READERS = 50;
/** No call takes longer than this. */
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

  /** A queue that something is put into: it exists from now on. */
  writer(name: string): Queue {
    const open = this.#writers.get(name) ?? this.#open(name, false);
    this.#writers.set(name, open);
    return open;
  }

  /** A queue to look at. Its name may come from a stranger, so nothing is written, and few stay open. */
  reader(name: string): Queue {
    const open = this.#writers.get(name) ?? this.#readers.get(name) ?? this.#open(name, true);
    if (this.#writers.has(name)) return open;
    this.#readers.delete(name);
    this.#readers.set(name, open);
    const [oldest] = this.#readers;
    if (this.#readers.size > READERS && oldest !== undefined) this.#retire(...oldest);
    return open;
  }

  /** Closes a reader once it has answered what it was just asked. */
  #retire(name: string, reader: Queue): void {
    this.#readers.delete(name);
    const timer = setTimeout(() => {
      this.#retired.delete(timer);
      // The others do not need it, and nobody waits for it.
      reader.close().catch(() => undefined);
    }, RETIRE_MS);
    timer.unref();
    this.#retired.set(timer, reader);
  }

  /** Puts an event of newel's own into the durable events of a queue. */
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
    // What fails is told by the call it fails; an event nobody listens to would end the process.
    queue.on("error", () => undefined);
    return queue;
  }
}
