import { hasCode, newelError } from "../base/errors.ts";
import { sleep, within } from "../base/timers.ts";
import type { Contract } from "../wire/contract.ts";
import type { WireLimits } from "../wire/limits.ts";
import { connectionFailure } from "../wire/link.ts";
import {
  attach,
  describeOwner,
  openLocalWay,
  type Attachment,
  type LocalWay,
} from "./attachment.ts";
import type { CommonOptions } from "./api.ts";
import { checkClass } from "./class-name.ts";
import { contractOf } from "./control.ts";
import type { AnyApi, Engine, Joined, Service, Tenure } from "./engines/engine.ts";
import { Host } from "./host.ts";
import type { Identity } from "./identity.ts";
import { KeepAlive } from "./keep-alive.ts";
import type { Shape } from "./shape.ts";

export interface MemberOptions extends Pick<CommonOptions, "idleMs"> {
  readonly identity: Identity;
  /** Limits of the connections that an owner serves. */
  readonly limits: Partial<WireLimits>;
  /** Limits of the connection to an owner: the same, with the heartbeat of `unresponsiveMs`. */
  readonly callerLimits: Partial<WireLimits>;
  readonly engine: Engine;
  readonly timeoutMs: number;
  /** The methods, if this process has the class. */
  readonly shape: Shape | undefined;
  /** Makes the instance, if this process may own it. */
  readonly maker: { readonly make: () => object; readonly type: object } | undefined;
  /** A digest of the constructor's arguments, if they were given and can be sent. */
  readonly argsDigest: string | undefined;
  /** Leaves for good when an ownership ends, instead of joining again. */
  readonly onlyOnce?: boolean;
}

/** Milliseconds that running calls get when an owner releases its ownership. */
const GRACE_MS = 2_000;
/**
 * After an owner was asked to release, other processes have this many milliseconds to take over
 * before it competes again.
 */
const STAND_BACK_MS = 200;
/** The pauses after failed attempts. */
const RETRY_MS = { first: 50, longest: 2_000 } as const;

/**
 * One process (or thread) that takes part in one singleton: it is the owner, or it is connected to
 * the owner, or it is on its way to one of the two states. There is one member per singleton and
 * thread; only its loop changes this state.
 */
export class Member {
  readonly options: MemberOptions;
  readonly keepAlive: KeepAlive = new KeepAlive();
  /** Resolves when the member has left. */
  readonly left: Promise<void>;
  #current: Attachment | undefined;
  #next = Promise.withResolvers<Attachment>();
  #waiting = 0;
  #inFlight = 0;
  #lastUseMs = performance.now();
  #epoch = 0;
  #cannotMake = false;
  #hasWarned = false;
  /** The current step of finding or becoming the owner; errors name it. */
  #doing: () => string = () => "there is none";
  readonly #leaving = new AbortController();
  /** Ends the present ownership or connection. */
  #release = new AbortController();
  #wake = Promise.withResolvers<void>();

  constructor(options: MemberOptions) {
    this.options = options;
    this.#next.promise.catch(() => undefined);
    this.left = this.#run();
    // `leave` reports a failure; when a member leaves by itself no caller waits for the promise.
    this.left.catch(() => undefined);
  }

  /** The current connection; `undefined` on the way to an owner. */
  get current(): Attachment | undefined {
    return this.#current;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Waits for an owner other than a failed one.
   *
   * @throws NEWEL_E_NO_OWNER when none answers within `timeoutMs`; any error of the constructor
   */
  async attached(failed?: Attachment): Promise<Attachment> {
    if (this.#current !== undefined && this.#current !== failed) return this.#current;
    if (this.#leaving.signal.aborted) throw this.#hasLeft();
    // The loop has not noticed the end yet.
    if (failed !== undefined && this.#current === failed) this.#detach();
    this.#waiting += 1;
    this.keepAlive.hold();
    this.#wake.resolve();
    const { identity, timeoutMs } = this.options;
    try {
      return await within(this.#next.promise, timeoutMs, "");
    } catch (error) {
      if (!hasCode(error, "NEWEL_E_DEADLINE")) throw error;
      const why = this.#doing();
      throw newelError("NEWEL_E_NO_OWNER", { name: identity.id, limitMs: timeoutMs, why }, error);
    } finally {
      this.#waiting -= 1;
      this.keepAlive.release();
    }
  }

  /** A call begins: until it ends, the process is kept alive and the instance is not idle. */
  begin(): void {
    this.#inFlight += 1;
    if (this.#inFlight === 1) this.keepAlive.hold();
  }

  end(): void {
    this.#inFlight -= 1;
    this.#lastUseMs = performance.now();
    if (this.#inFlight === 0) this.keepAlive.release();
  }

  /** Leaves the singleton; an owner first releases its ownership in order. */
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
        // A failure while leaving (for example a lost kernel) has no effect beyond the end of the
        // connection.
        if (this.#leaving.signal.aborted) break;
        this.#refuse(error);
        failures += 1;
        const wait = Math.min(RETRY_MS.longest, RETRY_MS.first * 2 ** (failures - 1));
        await sleep(wait, this.#leaving.signal);
        // If the instance cannot be made, it is not tried again before a caller needs it.
        if (this.#cannotMake && this.#waiting === 0) await this.#slumber();
      }
    }
    this.#refuse(this.#hasLeft());
    await this.options.engine.withdraw?.();
    this.keepAlive.end();
  }

  /** From the attempt until the ownership or the connection has ended. */
  async #takePart(): Promise<void> {
    const { identity, engine, shape, maker, limits, callerLimits, timeoutMs, argsDigest } =
      this.options;
    const contract = contractOf(identity, shape);
    let host: Host | undefined;
    const service =
      maker === undefined || shape === undefined
        ? undefined
        : (): Service => {
            const release = (): void => this.#release.abort();
            host = new Host({ identity, shape, argsDigest, ...maker, release });
            return { contract, implementation: host.implementation, limits };
          };
    const isUrgent = (): boolean => this.#waiting > 0;
    const { signal } = this.#leaving;
    const joining = { service, contract, limits: callerLimits, timeoutMs, isUrgent, signal };
    this.#doing = () =>
      maker === undefined
        ? `none was found ${engine.place}`
        : `the one ${engine.place} has not said HELLO: it may be blocked, or another program`;
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

  /**
   * A leaving member does not wait for an owner that does not answer. A result that arrives too
   * late is released.
   */
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
      const { place } = this.options.engine;
      this.#doing = () =>
        `the one ${place} has not made its instance yet, or is blocked (constructor, restore(), lateInit())`;
      const attachment = await attach(connection, false);
      this.#compare(attachment);
      this.#attach(attachment);
      await this.#untilIdle(connection.closed, () => this.#idleMs());
    } catch (error) {
      // An owner that dies while it is asked for its facts counts as absent; any other error is its
      // constructor's.
      if (connectionFailure(error) === undefined) throw error;
    } finally {
      signal.removeEventListener("abort", close);
      this.#detach();
      await connection.close();
    }
  }

  /** @throws NEWEL_E_SINGLETON_CLASS */
  #compare({ owner }: Attachment): void {
    const { identity, argsDigest } = this.options;
    checkClass(identity.id, owner.className, identity.className);
    const [theirs, ours] = [owner.argsDigest, argsDigest];
    if (this.#hasWarned || theirs === undefined || ours === undefined || theirs === ours) return;
    this.#hasWarned = true;
    process.emitWarning(
      `The singleton ${identity.id} was made with other constructor arguments than this process gives (owner: ${describeOwner(owner)}).`,
      { type: "NewelWarning", code: "NEWEL_W_SINGLETON_ARGS" },
    );
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
      this.#doing = () => `this process is to be the owner, and ${host.step} has not finished`;
      await host.start(tenure, this.options.timeoutMs, this.#leaving.signal);
      this.#cannotMake = false;
      isMade = true;
      const { limits } = this.options;
      const service: Service = { contract, implementation: host.implementation, limits };
      way = await openLocalWay(service, contract, limits);
      this.#attach({ ...(await attach(way.connection, true)), turns: host.turns });
      await this.#untilIdle(released, () => Math.min(this.#idleMs(), host.idleMs), tenure);
    } finally {
      this.#detach();
      await this.#giveUp(tenure, host, way, isMade);
    }
    if (this.options.onlyOnce === true) this.#leaving.abort();
    // Otherwise the member that was asked to release would be the first to own it again.
    if (this.#release.signal.aborted) await sleep(STAND_BACK_MS, this.#leaving.signal);
  }

  /**
   * Finishes calls first, then saves the state, then ends the instance; only then can the next
   * member win.
   */
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
      const { identity, timeoutMs } = this.options;
      const what = `Saving and disposing of ${identity.id}`;
      await within(host.stop(isOwner && isMade), timeoutMs, what);
    } finally {
      await tenure.end();
    }
  }

  /** Waits for an end, or until no call was made for `idleMs`. */
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

  /** If idle instances are released, no member becomes the owner before there is a call. */
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

  /** Rejects all waiters for an owner with the reason. */
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
