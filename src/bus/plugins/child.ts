import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

import { newelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Bus } from "../bus.ts";
import { forwardChannels, parseJoinMessage, wrapJoinMessage } from "../join.ts";

export interface ChildOptions {
  /** Names the child in logs and in `childExit`. */
  readonly name: string;
  /** The module it runs: a path or file URL. It calls `joinParent` on its bus. */
  readonly module: string | URL;
  readonly args?: readonly string[];
  /** Channels that reach across, both ways. The child names the same ones. */
  readonly channels?: readonly string[];
  /** Of the `start` listener; `stop` mirrors it (100 - priority). Default 60. */
  readonly priority?: number;
  /** How long its bus may take to start, in milliseconds. Default 30,000. */
  readonly startMs?: number;
  /** How long it may take to end, in milliseconds, before it is killed. Default 10,000. */
  readonly stopMs?: number;
}

/** Published on the parent's `childExit` whenever a child has ended. */
export interface ChildExit {
  readonly name: string;
  readonly pid: number;
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The parent had asked for it. */
  readonly expected: boolean;
}

/** A child process whose bus is joined to this one. */
export interface Child {
  readonly pid: number | undefined;
  readonly running: boolean;
}

/** After a kill its end takes only the operating system's time, in milliseconds. */
const KILL_MS = 1_000;

/**
 * Runs a program on a bus of its own in a child process, and joins the two: `start` waits until the
 * child's bus has started, `stop` ends the child and waits for that, `graceful` reaches it, what it
 * logs comes out on the log here, and the named channels are one. Its end is published on
 * `childExit`.
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
    timeoutMs: stopMs + KILL_MS,
  });
  bus.subscribe("graceful", () => child.graceful(), { name, priority });
  return child;
}

class JoinedChild implements Child {
  readonly #bus: Bus;
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #stopping = false;

  constructor(bus: Bus, options: ChildOptions) {
    this.#bus = bus;
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get running(): boolean {
    return this.#process !== undefined;
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#stopping = false;
    const child = fork(this.#options.module, this.#options.args ?? []);
    this.#process = child;
    this.#ended = once(child, "close");
    const channels = forwardChannels(this.#bus, this.#options.channels ?? [], {
      send: (message) => this.#send(message),
    });
    const started = new Promise<void>((resolve, reject) => {
      child.on("message", (value: unknown) => {
        const message = parseJoinMessage(value);
        if (message?.say === "log") this.#bus.logEntry(message.entry);
        else if (message?.say === "publish") channels.deliver(message.channel, message.args);
        else if (message?.say === "state" && message.state === "started") resolve();
      });
      child.once("error", reject);
      child.once("exit", (code, killedBy) => {
        channels.off();
        this.#exited(child, code, killedBy);
        const how = killedBy === null ? `it ended with code ${code}` : `${killedBy} ended it`;
        reject(newelError("NEWEL_E_BUS_CHILD", { name: this.#options.name, why: how }));
      });
      signal.addEventListener("abort", () => child.kill("SIGKILL"), { once: true });
    });
    await started;
  }

  async stop(stopMs: number): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#stopping = true;
    this.#send({ say: "exit" });
    const enough = new AbortController();
    const late = sleep(stopMs, enough.signal).then(() => "late");
    if ((await Promise.race([this.#ended, late])) === "late") {
      this.#bus.log(`${this.#options.name} did not end within ${stopMs} ms: killed`, "warn");
      child.kill("SIGKILL");
      await this.#ended;
    }
    enough.abort();
  }

  graceful(): void {
    this.#send({ say: "graceful" });
  }

  #send(message: Parameters<typeof wrapJoinMessage>[0]): void {
    const child = this.#process;
    if (child?.connected !== true) return;
    child.send(wrapJoinMessage(message), (error) => {
      // It ended meanwhile, which `childExit` tells better.
      if (error !== null && child.connected)
        this.#bus.log(`${this.#options.name} could not be told: ${message.say}`, "warn", error);
    });
  }

  #exited(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    this.#process = undefined;
    const { name } = this.#options;
    const exit: ChildExit = { name, pid: child.pid ?? 0, code, signal, expected: this.#stopping };
    const how = signal === null ? `with code ${code}` : `by ${signal}`;
    const level = this.#stopping && code === 0 ? "debug" : "warn";
    this.#bus.log(`${name}[${exit.pid}] ended ${how}`, level);
    try {
      this.#bus.publish("childExit", exit);
    } catch {
      // Each failure is in the log; this is a callback of the child, with nobody above it.
    }
  }
}
