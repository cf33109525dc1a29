import { sleep } from "../../base/timers.ts";
import type { ClaimInfo } from "../../kernel/api.ts";
import type { HeldClaim, KernelClient } from "../../kernel/client-api.ts";
import { connectAbstract, serveAbstract } from "../../wire/unix.ts";
import type { Connection } from "../../wire/client.ts";
import type { Identity } from "../identity.ts";
import type { SavedText } from "../state.ts";
import { abstractName } from "./address.ts";
import {
  isNobody,
  pause,
  type AnyApi,
  type Engine,
  type JoinOptions,
  type Joined,
  type Service,
} from "./engine.ts";
import { useKernel, type KernelUse } from "./kernel-share.ts";
import { prepareRecords, recordEnd, recordOwner } from "./records.ts";

type WinOptions = JoinOptions & { readonly service: () => Service };

const WITHDRAWAL_MS = 1_000;
const UNHURRIED_MS = 50;

/**
 * The holder of a kernel claim is the owner. The claim ends immediately with its holder; the death
 * of the kernel ends no claim. The number of the claim is the epoch, and part of the address: an
 * owner whose claim was revoked while it was stopped is no longer found by clients, and its late
 * writes are refused.
 */
export class KernelEngine implements Engine {
  readonly place: string;
  readonly #identity: Identity;
  /** Whether it stays in the queue for the claim while it is connected to the owner. */
  readonly #keepsPlace: boolean;
  #use: KernelUse | undefined;
  #bid: Bid | undefined;
  #hasJoined = false;

  constructor(identity: Identity, options: { readonly keepsPlace: boolean }) {
    this.place = `in the kernel of ${identity.home.directory}`;
    this.#identity = identity;
    this.#keepsPlace = options.keepsPlace;
  }

  async join(options: JoinOptions): Promise<Joined> {
    const { service } = options;
    if (service !== undefined) prepareRecords(this.#identity.home);
    try {
      this.#use ??= await useKernel(this.#identity.home);
      const joined =
        service === undefined
          ? await this.#find(this.#use.client, options)
          : await this.#compete(this.#use, { ...options, service });
      this.#hasJoined = true;
      if (joined.connection !== undefined && !(this.#keepsPlace && service !== undefined))
        await this.withdraw();
      return joined;
    } catch (error) {
      await this.withdraw();
      throw error;
    }
  }

  async withdraw(): Promise<void> {
    const [bid, use] = [this.#bid, this.#use];
    this.#bid = undefined;
    this.#use = undefined;
    try {
      await bid?.withdraw();
    } finally {
      await use?.end();
    }
  }

  /** Connects to the owner once there is one. */
  async #find(client: KernelClient, options: JoinOptions): Promise<Joined> {
    for (let tries = 0; ; tries += 1) {
      if (tries > 0 || this.#hasJoined) await pause(tries, options.signal);
      options.signal.throwIfAborted();
      const [holder] = await client.claims.list(this.#identity.claim);
      const connection = holder && (await reachHolder(this.#identity, holder, options));
      if (connection !== undefined) return { connection };
    }
  }

  async #compete(use: KernelUse, options: WinOptions): Promise<Joined> {
    const { signal } = options;
    if (this.#bid?.hasFailed === true) this.#bid = undefined;
    const bid = (this.#bid ??= new Bid(use.client, this.#identity.claim));
    for (let tries = 0; ; tries += 1) {
      // A process that may itself be elected need not poll for the next owner quickly.
      if (tries > 0 || this.#hasJoined) {
        const isOver = new AbortController();
        const until = AbortSignal.any([signal, isOver.signal]);
        const waited = options.isUrgent() ? pause(tries, until) : sleep(UNHURRIED_MS, until);
        await Promise.race([bid.settled, waited]);
        isOver.abort();
      }
      signal.throwIfAborted();
      const holder = await this.#holder(use.client, bid);
      if (bid.granted !== undefined) return await this.#begin(use, bid.granted, options);
      bid.check();
      if (holder === undefined) continue;
      const reaching = reachHolder(this.#identity, holder, options);
      const connection = await Promise.race([reaching, bid.settled]);
      if (connection !== undefined) return { connection, elected: bid.elected };
      // The claim of the owner was revoked while it did not answer.
      reaching.then(
        (late) => late?.close(),
        () => undefined,
      );
    }
  }

  /**
   * Asked after the bid, on the same connection: a bid that was granted immediately is known by
   * then.
   */
  async #holder({ claims }: KernelClient, bid: Bid): Promise<ClaimInfo | undefined> {
    return bid.granted === undefined ? (await claims.list(this.#identity.claim))[0] : undefined;
  }

  async #begin(use: KernelUse, claim: HeldClaim, { service }: WinOptions): Promise<Joined> {
    const { epoch, signal: lost } = claim;
    const { contract, implementation, limits } = service();
    const address = abstractName(this.#identity, epoch);
    const server = await serveAbstract(
      address,
      contract,
      implementation,
      limits === undefined ? {} : { limits },
    );
    let record;
    try {
      record = recordOwner(this.#identity, { engine: "kernel", address }, epoch);
    } catch (error) {
      await server.close(0);
      throw error;
    }
    // From here on the tenure owns them.
    this.#bid = undefined;
    this.#use = undefined;
    const release = async (): Promise<void> => {
      try {
        await claim.release();
      } finally {
        await use.end();
      }
    };
    const end = async (): Promise<void> => {
      try {
        recordEnd(this.#identity, record);
      } finally {
        await server.close(0);
        await release();
      }
    };
    const store = this.#store(use.client, epoch);
    return { tenure: { epoch, sinceMs: record.sinceMs, server, lost, store, end } };
  }

  #store({ values }: KernelClient, epoch: number): SavedText {
    const { claim } = this.#identity;
    return {
      load: () => values.get(claim),
      write: (text) => values.set(claim, text, { claim, epoch }),
    };
  }
}

/** Connects to the holder of a claim; `undefined` when no holder serves (any more, or yet). */
export async function reachHolder(
  identity: Identity,
  { epoch }: ClaimInfo,
  { contract, timeoutMs, limits }: JoinOptions,
): Promise<Connection<AnyApi> | undefined> {
  const address = abstractName(identity, epoch);
  try {
    return await connectAbstract(address, contract, { timeoutMs, keepAlive: false, limits });
  } catch (error) {
    if (isNobody(error)) return undefined;
    throw error;
  }
}

/** One place in the queue for a claim. */
class Bid {
  /** Resolves when the claim is granted, or will not be. */
  readonly settled: Promise<undefined>;
  granted: HeldClaim | undefined;
  #failure: unknown;
  readonly #election = new AbortController();
  readonly #withdrawal = new AbortController();

  constructor(kernel: KernelClient, name: string) {
    this.settled = kernel.claim(name, { signal: this.#withdrawal.signal }).then(
      (held) => {
        this.granted = held;
        this.#election.abort();
        return undefined;
      },
      (error: unknown) => {
        this.#failure = error;
        return undefined;
      },
    );
  }

  /** Aborts once the claim is granted. */
  get elected(): AbortSignal {
    return this.#election.signal;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws the reason why it will not be granted */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Leaves the queue. A claim that is granted at the same moment, or late, is passed to the next
   * process.
   */
  async withdraw(): Promise<void> {
    this.#withdrawal.abort();
    const released = this.settled.then(() => this.granted?.release());
    // If the kernel dies at this moment the claim may be requested again; no caller needs to wait
    // for that.
    await Promise.race([released, sleep(WITHDRAWAL_MS)]);
  }
}
