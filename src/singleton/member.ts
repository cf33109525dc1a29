import { hasCode, newelError } from "../base/errors.ts";
import { sleep, within } from "../base/timers.ts";
import type { Contract } from "../wire/contract.ts";
import { connectionFailure } from "../wire/link.ts";
import { attach, openLocalWay, type Attachment, type LocalWay } from "./attachment.ts";
import type { CommonOptions } from "./api.ts";
import { contractOf } from "./control.ts";
import type { AnyApi, Engine, Joined, Service, Tenure } from "./engines/engine.ts";
import { Host } from "./host.ts";
import type { Identity } from "./identity.ts";
import { KeepAlive } from "./keep-alive.ts";
import type { Shape } from "./shape.ts";

export interface MemberOptions extends Pick<CommonOptions, "idleMs" | "limits"> {
  readonly identity: Identity;
  readonly engine: Engine;
  readonly timeoutMs: number;
  /** The methods, where this process has the class. */
  readonly shape: Shape | undefined;
  /** Makes the instance, where this process may own it. */
  readonly maker: { readonly make: () => object } | undefined;
  /** Leaves for good when an ownership ends, in place of taking part again. */
  readonly onlyOnce?: boolean;
}

/** Running calls of an owner that gives up get so long, in milliseconds. */
const GRACE_MS = 2_000;
/** After an owner was asked to give up, others have so long to take over before it is there again. */
const STAND_BACK_MS = 200;
/** The pauses after attempts that failed. */
const RETRY_MS = { first: 50, longest: 2_000 } as const;

/**
 * One process (or thread) that takes part in one singleton: it is the owner, or it is connected to
 * the owner, or it is on its way to one of the two. There is one member for each singleton and
 * thread; its loop is the only place that moves it between these.
 */
export class Member {
  readonly options: MemberOptions;
  readonly keepAlive: KeepAlive = new KeepAlive();
  /** Resolves when it has left. */
  readonly left: Promise<void>;
  #current: Attachment | undefined;
  #next = Promise.withResolvers<Attachment>();
  #waiting = 0;
  #inFlight = 0;
  #lastUseMs = performance.now();
  #epoch = 0;
  #cannotMake = false;
  readonly #leaving = new AbortController();
  /** Ends the present ownership or connection. */
  #release = new AbortController();
  #wake = Promise.withResolvers<void>();

  constructor(options: MemberOptions) {
    this.options = options;
    this.#next.promise.catch(() => undefined);
    this.left = this.#run();
    // Who leaves hears of a failure; where a member leaves by itself there is nobody to hear.
    this.left.catch(() => undefined);
  }

  /** Where calls go now; `undefined` on the way to an owner. */
  get current(): Attachment | undefined {
    return this.#current;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Waits for an owner, other than one that has failed.
   *
   * @throws NEWEL_E_NO_OWNER when none answers within `timeoutMs`; what the constructor throws
   */
  async attached(failed?: Attachment): Promise<Attachment> {
    if (this.#current !== undefined && this.#current !== failed) return this.#current;
    if (this.#leaving.signal.aborted) throw this.#hasLeft();
    // The loop has not heard of the end yet.
    if (failed !== undefined && this.#current === failed) this.#detach();
    this.#waiting += 1;
    this.keepAlive.hold();
    this.#wake.resolve();
    const { identity, timeoutMs } = this.options;
    try {
      return await within(this.#next.promise, timeoutMs, "");
    } catch (error) {
      if (!hasCode(error, "NEWEL_E_DEADLINE")) throw error;
      const why = "there is none, or it does not answer";
      throw newelError("NEWEL_E_NO_OWNER", { name: identity.id, limitMs: timeoutMs, why }, error);
    } finally {
      this.#waiting -= 1;
      this.keepAlive.release();
    }
  }

  /** A call begins: until it ends the process is kept alive, and the instance is not idle. */
  begin(): void {
    this.#inFlight += 1;
    if (this.#inFlight === 1) this.keepAlive.hold();
  }

  end(): void {
    this.#inFlight -= 1;
    this.#lastUseMs = performance.now();
    if (this.#inFlight === 0) this.keepAlive.release();
  }

  /** Takes no part any more; an owner gives up in order first. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    this.#release.abort();
    this.#wake.resolve();
    await this.left;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#leaving.signal.aborted) {
      this.#release = new AbortController();
      try {
        await this.#takePart();
        failures = 0;
        await this.#rest();
      } catch (error) {
        // What fails while it leaves (the kernel is gone, say) is over when its connection is.
        if (this.#leaving.signal.aborted) break;
        this.#refuse(error);
        failures += 1;
        const wait = Math.min(RETRY_MS.longest, RETRY_MS.first * 2 ** (failures - 1));
        await sleep(wait, this.#leaving.signal);
        // Where the instance cannot be made, it is not tried again before somebody needs it.
        if (this.#cannotMake && this.#waiting === 0) await this.#slumber();
      }
    }
    this.#refuse(this.#hasLeft());
    await this.options.engine.withdraw?.();
    this.keepAlive.end();
  }

  /** From the attempt until the ownership or the connection has ended. */
  async #takePart(): Promise<void> {
    const { identity, engine, shape, maker, limits, timeoutMs } = this.options;
    const contract = contractOf(identity, shape);
    let host: Host | undefined;
    const service =
      maker === undefined || shape === undefined
        ? undefined
        : (): Service => {
            host = new Host({ identity, shape, ...maker, release: () => this.#release.abort() });
            return { contract, implementation: host.implementation, limits };
          };
    const isUrgent = (): boolean => this.#waiting > 0;
    const joining = { service, contract, timeoutMs, isUrgent, signal: this.#leaving.signal };
    const joined = await this.#unlessLeaving(engine.join(joining));
    if (joined === undefined) return;
    const { tenure, connection, elected } = joined;
    if (connection !== undefined) {
      await this.#follow(connection, elected);
    } else if (host !== undefined) {
      this.keepAlive.hold();
      try {
        await this.#own(tenure, host, contract);
      } finally {
        this.keepAlive.release();
      }
    }
  }

  /** Who leaves does not wait for an owner that does not answer. What comes too late is given back. */
  async #unlessLeaving(joining: Promise<Joined>): Promise<Joined | undefined> {
    const { signal } = this.#leaving;
    const gone = Promise.withResolvers<undefined>();
    const leave = (): void => gone.resolve(undefined);
    signal.addEventListener("abort", leave, { once: true });
    const joined = await Promise.race([joining, gone.promise]);
    signal.removeEventListener("abort", leave);
    if (joined === undefined)
      joining.then(
        (late) => (late.tenure === undefined ? late.connection.close() : late.tenure.end()),
        () => undefined,
      );
    return joined;
  }

  async #follow(connection: Attachment["connection"], elected?: AbortSignal): Promise<void> {
    const signal =
      elected === undefined
        ? this.#release.signal
        : AbortSignal.any([this.#release.signal, elected]);
    const close = (): void => void connection.close();
    signal.addEventListener("abort", close, { once: true });
    try {
      if (signal.aborted) return;
      this.#attach(await attach(connection, false));
      await this.#untilIdle(connection.closed, () => this.#idleMs());
    } catch (error) {
      // An owner that dies while it is asked who it is was none; any other error is its constructor's.
      if (connectionFailure(error) === undefined) throw error;
    } finally {
      signal.removeEventListener("abort", close);
      this.#detach();
      await connection.close();
    }
  }

  async #own(tenure: Tenure, host: Host, contract: Contract<AnyApi>): Promise<void> {
    const released = new Promise<void>((resolve) => {
      for (const signal of [tenure.lost, this.#release.signal, this.#leaving.signal])
        if (signal.aborted) resolve();
        else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    let way: LocalWay | undefined;
    let isMade = false;
    try {
      this.#cannotMake = true;
      await host.start(tenure);
      this.#cannotMake = false;
      isMade = true;
      const { limits } = this.options;
      const service: Service = { contract, implementation: host.implementation, limits };
      way = await openLocalWay(service, contract, limits);
      this.#attach(await attach(way.connection, true));
      await this.#untilIdle(released, () => Math.min(this.#idleMs(), host.idleMs), tenure);
    } finally {
      this.#detach();
      await this.#giveUp(tenure, host, way, isMade);
    }
    if (this.options.onlyOnce === true) this.#leaving.abort();
    // Else the one who was asked to give up would be the first to have it again.
    if (this.#release.signal.aborted) await sleep(STAND_BACK_MS, this.#leaving.signal);
  }

  /** Calls first, then the state, then the instance; only then can the next one win. */
  async #giveUp(
    tenure: Tenure,
    host: Host,
    way: LocalWay | undefined,
    isMade: boolean,
  ): Promise<void> {
    const isOwner = !tenure.lost.aborted;
    const graceMs = isOwner && isMade ? GRACE_MS : 0;
    try {
      await Promise.all([way?.sessions.closeAll(graceMs), tenure.server.drain(graceMs)]);
      await host.stop(isOwner && isMade);
    } finally {
      await tenure.end();
    }
  }

  /** Waits for an end, or until there was nothing to do for `idleMs`. */
  async #untilIdle(end: Promise<unknown>, idleMs: () => number, tenure?: Tenure): Promise<void> {
    const limitMs = this.options.idleMs;
    if (limitMs === undefined) {
      await end;
      return;
    }
    const over = end.then(() => true);
    for (let isOver = false; !isOver;) {
      const isBusy = this.#inFlight > 0 || (tenure?.server.running ?? 0) > 0;
      const leftMs = isBusy ? limitMs : limitMs - idleMs();
      if (leftMs <= 0) return;
      const timer = new AbortController();
      isOver = await Promise.race([over, sleep(leftMs, timer.signal).then(() => false)]);
      timer.abort();
    }
  }

  #idleMs(): number {
    return performance.now() - this.#lastUseMs;
  }

  /** Where instances are given up when idle, nobody becomes the owner before there is a call. */
  async #rest(): Promise<void> {
    if (this.options.idleMs !== undefined && this.#waiting === 0) await this.#slumber();
  }

  async #slumber(): Promise<void> {
    this.#wake = Promise.withResolvers<void>();
    if (this.#waiting === 0 && !this.#leaving.signal.aborted) await this.#wake.promise;
  }

  #attach(attachment: Attachment): void {
    this.#current = attachment;
    this.#epoch = attachment.epoch;
    this.#lastUseMs = performance.now();
    this.#next.resolve(attachment);
  }

  #detach(): void {
    if (this.#current === undefined) return;
    this.#current = undefined;
    this.#renew();
  }

  /** Whoever waits for an owner is told why there is none. */
  #refuse(error: unknown): void {
    this.#next.reject(error);
    this.#renew();
  }

  #renew(): void {
    this.#next = Promise.withResolvers();
    this.#next.promise.catch(() => undefined);
  }

  #hasLeft(): Error {
    const { id } = this.options.identity;
    return newelError("NEWEL_E_CLOSED", { peer: id, why: "this process has left it" });
  }
}
