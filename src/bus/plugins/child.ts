import { type ChildProcess, fork } from "node:child_process";

import { newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Bus } from "../bus.ts";
import {
  hasExitSignal,
  hearJoinMessage,
  type JoinActions,
  type JoinMessage,
  wrapJoinMessage,
} from "../join.ts";
import { JoinedChannels } from "../joined-channels.ts";
import { type ChildExit, notify } from "../plugin-channels.ts";

/** Options of `startChild`: the module of the child process and the shared channels. */
export interface ChildOptions {
  /** Names the child in logs and in `childExit`. */
  readonly name: string;
  /** The module that it runs: a path or file URL. It calls `joinParent` on its bus. */
  readonly module: string | URL;
  /** Arguments of the module, after its path in `process.argv`. Default: none. */
  readonly args?: readonly string[];
  /** The shared channels, in both directions. The child names the same ones. */
  readonly channels?: readonly string[];
  /** Priority of the `start` listener; that of `stop` mirrors it (100 - priority). Default 60. */
  readonly priority?: number;
  /** The time limit for the start of its bus, in milliseconds. Default 30,000. */
  readonly startMs?: number;
  /** The time limit for its end, in milliseconds, before it is killed. Default 10,000. */
  readonly stopMs?: number;
}

/** A child process whose bus is joined to this one. */
export interface Child {
  /** The process id; `undefined` before the start, and after a start that failed. */
  readonly pid: number | undefined;
  /** Whether the process runs. */
  readonly running: boolean;
}

/** The operating system may take this long to end a killed process, in milliseconds. */
const KILL_MS = 1_000;
/** A child that got a signal exits alone when the parent is not stopping after this time, in milliseconds. */
const ALONE_MS = 1_000;
/** The rest of the messages of an ended child arrives within this time, in milliseconds. */
const REST_MS = 1_000;

/**
 * Runs a program that has its own bus in a child process, and joins the two buses: `start` waits
 * until the child's bus has started, `stop` makes the child handle the messages that were published
 * to it, ends it and waits for that, `graceful` is forwarded to it, its log entries appear in the
 * log of this bus, and the named channels are shared. Its end is published on `childExit`.
 *
 * A listener in the other process gets the same values as a listener in this process
 * (docs/reference/values.md). A value that cannot be copied makes `publish` fail with
 * NEWEL_E_NOT_SENDABLE. Messages that could not be delivered, and those that a child had not
 * handled when it ended, are reported in the log, with their number.
 *
 * @throws NEWEL_E_BUS_CHILD from the `start` listener, when the child does not start
 */
export function startChild(bus: Bus, options: ChildOptions): Child {
  const child = new JoinedChild(bus, options);
  const { name, priority = 60, startMs = 30_000, stopMs = 10_000 } = options;
  bus.subscribe("start", ({ signal }) => child.start(signal), {
    name,
    priority,
    timeoutMs: startMs,
  });
  bus.subscribe("stop", () => child.stop(stopMs), {
    name,
    priority: 100 - priority,
    timeoutMs: stopMs + KILL_MS + REST_MS,
  });
  bus.subscribe("graceful", () => child.graceful(), { name, priority });
  bus.subscribe("exited", () => child.over(), { name, priority: 100 });
  return child;
}

class JoinedChild implements Child {
  readonly name: string;
  readonly #bus: Bus;
  readonly #options: ChildOptions;
  readonly #channels: JoinedChannels;
  #process: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #stopping = false;

  constructor(bus: Bus, options: ChildOptions) {
    this.name = options.name;
    this.#bus = bus;
    this.#options = options;
    this.#channels = new JoinedChannels(bus, options.channels ?? [], this);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  get isUp(): boolean {
    return this.#process?.connected === true;
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#stopping = false;
    await this.#channels.load();
    if (signal.aborted) return;
    const child = fork(this.#options.module, this.#options.args ?? []);
    this.#process = child;
    const started = Promise.withResolvers<void>();
    const actions = this.#actions(() => started.resolve());
    child.on("message", (value: unknown) => hearJoinMessage(value, actions));
    child.once("error", (error) => {
      if (child.pid === undefined) this.#process = undefined;
      started.reject(error);
    });
    child.once("exit", (code, killedBy) => {
      this.#exited(child, code, killedBy);
      const how = killedBy === null ? `it ended with code ${code}` : `${killedBy} ended it`;
      started.reject(newelError("NEWEL_E_BUS_CHILD", { name: this.name, why: how }));
    });
    this.#ended = this.#allRead(child);
    // In both cases, interrupted or late, the stop listener ends it in order.
    signal.addEventListener("abort", () => started.resolve(), { once: true });
    await started.promise;
  }

  async stop(stopMs: number): Promise<void> {
    const child = this.#process;
    if (child !== undefined) {
      this.#stopping = true;
      this.send({ say: "exit" });
      const enough = new AbortController();
      const late = sleep(stopMs, enough.signal).then(() => "late");
      if ((await Promise.race([this.#ended, late])) === "late") {
        this.#bus.log(`${this.name} did not end within ${stopMs} ms: killed`, "warn");
        child.kill("SIGKILL");
      }
      enough.abort();
    }
    await this.#ended;
  }

  /** The bus has exited: messages that were not delivered are reported now. */
  over(): void {
    this.#channels.off();
  }

  graceful(): void {
    this.send({ say: "graceful" });
  }

  send(message: JoinMessage): void {
    if (!this.isUp) return;
    // A child that ended has not handled the message, which is reported then.
    this.#process?.send(wrapJoinMessage(message), () => undefined);
  }

  #actions(started: () => void): JoinActions {
    return {
      ...this.#channels.actions,
      log: ({ entry }) => this.#bus.logEntry(entry),
      state: ({ state }) => {
        if (state === "started") started();
      },
      signal: ({ signal }) => void this.#decide(signal),
    };
  }

  /**
   * The child got a signal, either together with this process, whose stop will end it, or alone.
   */
  async #decide(signal: string): Promise<void> {
    const isStopping = (): boolean =>
      this.#bus.exiting || this.#bus.state === "stopping" || hasExitSignal(this.#bus);
    this.send({ say: "wait" });
    if (!isStopping()) await sleep(ALONE_MS);
    if (isStopping() || !this.isUp) return;
    this.#bus.log(`${this.name} got ${signal} alone: it exits`, "warn");
    this.send({ say: "exit" });
  }

  /** Resolves when the child has ended and its last messages have been read. */
  async #allRead(child: ChildProcess): Promise<void> {
    const read = new AbortController();
    child.once("disconnect", () => read.abort());
    await new Promise<void>((resolve) => child.once("close", () => resolve()));
    await sleep(REST_MS, read.signal);
    await this.#channels.handled();
    this.#channels.ended();
  }

  #exited(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    this.#process = undefined;
    const { name } = this;
    const exit: ChildExit = { name, pid: child.pid ?? 0, code, signal, expected: this.#stopping };
    const how = signal === null ? `with code ${code}` : `by ${signal}`;
    const level = this.#stopping && code === 0 ? "debug" : "warn";
    this.#bus.log(`${name}[${exit.pid}] ended ${how}`, level);
    notify(this.#bus, () => this.#bus.publish("childExit", exit));
  }
}
