import { hasCode, newelError, systemCode } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Connection } from "../../wire/client.ts";
import type { Remote } from "../../wire/contract.ts";
import { deriveKey, type SecretKey } from "../../wire/secret.ts";
import { connectTcp } from "../../wire/tcp.ts";
import type {
  EnqueueRequest,
  EventsOptions,
  FlowRequest,
  JobsAccess,
  ListFilter,
  QueueStats,
  Run,
  RunEvent,
  RunPage,
  RunTree,
  ScheduleRequest,
  ScheduleView,
  Scope,
} from "../api.ts";
import { newJobId } from "../names.ts";
import { readBy } from "../scope.ts";
import type { RemoteAddress } from "./address.ts";
import { JOBS_CONTRACT, type RemoteJobsApi } from "./contract.ts";

/** How long a call retries while the server does not answer, in milliseconds; a restart takes less. */
const PATIENCE_MS = 10_000;
const RETRY_MS = 100;
/** A timer that never fires in practice. */
const HOLD_MS = 2 ** 31 - 1;

/**
 * Jobs through a job server on another machine, for programs that cannot reach its store. A call that a
 * restart of the server interrupts is sent again: a run gets its id before it is sent, so that it is
 * enqueued once.
 */
export class RemoteAccess implements JobsAccess {
  readonly #address: RemoteAddress;
  #key: Promise<SecretKey> | undefined;
  #connection: Promise<Connection<RemoteJobsApi>> | undefined;
  #isClosed = false;

  /** Connects with the first call. */
  constructor(address: RemoteAddress) {
    this.#address = address;
  }

  enqueue(request: EnqueueRequest): Promise<Run> {
    const run = { id: newJobId(), ...request };
    return this.#call((remote) => remote.enqueue(run));
  }

  async get(id: string, scope?: Scope): Promise<Run | undefined> {
    const whose = toScope(scope);
    return (await this.#call((remote) => remote.get(id, whose))) ?? undefined;
  }

  async list(filter: ListFilter = {}): Promise<RunPage> {
    const wanted = { ...filter, ...toScope(filter) };
    return this.#call((remote) => remote.list(wanted));
  }

  async cancel(id: string, scope?: Scope): Promise<Run | undefined> {
    const whose = toScope(scope);
    return (await this.#call((remote) => remote.cancel(id, whose))) ?? undefined;
  }

  async retry(id: string, scope?: Scope): Promise<Run | undefined> {
    const whose = toScope(scope);
    return (await this.#call((remote) => remote.retry(id, whose), false)) ?? undefined;
  }

  async logs(id: string, scope?: Scope): Promise<readonly string[]> {
    const whose = toScope(scope);
    return this.#call((remote) => remote.logs(id, whose));
  }

  async stats(): Promise<readonly QueueStats[]> {
    const stats = await this.#call((remote) => remote.stats());
    // A server of an older version does not report them.
    return stats.map((queue) => ({ ...queue, blocked: queue.blocked ?? [] }));
  }

  pause(queue: string): Promise<void> {
    return this.#call((remote) => remote.pause(queue));
  }

  resume(queue: string): Promise<void> {
    return this.#call((remote) => remote.resume(queue));
  }

  drain(queue: string, { delayed = false }: { readonly delayed?: boolean } = {}): Promise<number> {
    return this.#call((remote) => remote.drain(queue, delayed), false);
  }

  schedule(request: ScheduleRequest): Promise<ScheduleView> {
    return this.#call((remote) => remote.schedule(request));
  }

  unschedule(queue: string, id: string): Promise<boolean> {
    return this.#call((remote) => remote.unschedule(queue, id), false);
  }

  schedules(): Promise<readonly ScheduleView[]> {
    return this.#call((remote) => remote.schedules());
  }

  flow(request: FlowRequest): Promise<RunTree> {
    return this.#call((remote) => remote.flow(request), false);
  }

  async *events(id: string, options: EventsOptions = {}): AsyncGenerator<RunEvent> {
    const { signal } = options;
    const whose = toScope(options);
    let after = options.after ?? null;
    let lostMs: number | undefined;
    using _held = hold();
    for (;;) {
      try {
        const { remote } = await this.#connected(signal);
        const stream = (signal === undefined ? remote : remote.with({ signal })).events(
          id,
          whose,
          after,
        );
        for await (const event of stream) {
          after = event.id;
          lostMs = undefined;
          yield event;
        }
        return;
      } catch (error) {
        signal?.throwIfAborted();
        // The deadline starts with the loss of the connection, because a stream may have run for hours before.
        lostMs ??= performance.now();
        await this.#pauseOrThrow(error, lostMs + PATIENCE_MS, signal);
      }
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const connection = await this.#connection?.catch(() => undefined);
    this.#connection = undefined;
    await connection?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @param repeat - the call is idempotent, so it is sent again when the answer is lost */
  async #call<Value>(
    ask: (remote: Remote<RemoteJobsApi>) => Promise<Value>,
    repeat = true,
  ): Promise<Value> {
    const untilMs = performance.now() + PATIENCE_MS;
    using _held = hold();
    for (;;) {
      let isAsked = false;
      try {
        const { remote } = await this.#connected();
        isAsked = true;
        return await ask(remote);
      } catch (error) {
        if (isAsked && !repeat) throw error;
        await this.#pauseOrThrow(error, untilMs);
      }
    }
  }

  /** @throws the error when another try would not help, or the deadline has passed */
  async #pauseOrThrow(error: unknown, untilMs: number, signal?: AbortSignal): Promise<void> {
    const isAway = AWAY.some((code) => hasCode(error, code)) || isReset(error);
    if (!isAway || this.#isClosed || performance.now() > untilMs) throw error;
    await sleep(RETRY_MS, signal);
  }

  async #connected(signal?: AbortSignal): Promise<Connection<RemoteJobsApi>> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw newelError("NEWEL_E_CANCELLED", { what: "The call of closed jobs" });
    const connecting = (this.#connection ??= this.#connect());
    const forget = (): void => {
      if (this.#connection === connecting) this.#connection = undefined;
    };
    try {
      const connection = await connecting;
      void connection.closed.then(forget);
      return connection;
    } catch (error) {
      forget();
      throw error;
    }
  }

  async #connect(): Promise<Connection<RemoteJobsApi>> {
    const { host, port, authKey } = this.#address;
    this.#key ??= deriveKey(authKey, JOBS_CONTRACT.name);
    const secret = await this.#key;
    return connectTcp({ host, port, secret }, JOBS_CONTRACT, { keepAlive: false });
  }
}

/** Errors of calls that a restart of the server or a network failure interrupted. */
const AWAY = ["NEWEL_E_UNREACHABLE", "NEWEL_E_CONNECTION_LOST", "NEWEL_E_CLOSED"] as const;

/** Whether a handshake was reset, as by a server that ends: one with another auth key answers with an alert. */
function isReset(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return hasCode(error, "NEWEL_E_SECRET") && systemCode(cause) === "ECONNRESET";
}

/** Checks `by` before it is sent, so that an empty owner does not become "all" on the way. */
function toScope(scope: Scope | undefined): Scope {
  const by = readBy(scope);
  return by === undefined ? {} : { by };
}

/** A pending call keeps the program alive; an idle connection does not. */
function hold(): Disposable {
  const timer = setInterval(() => undefined, HOLD_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
