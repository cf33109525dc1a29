import { hasCode, newelError } from "../../base/errors.ts";
import { connectAbstract, serveAbstract } from "../../wire/unix.ts";
import type { Identity } from "../identity.ts";
import {
  isNobody,
  pause,
  type Engine,
  type JoinOptions,
  type Joined,
  type Service,
} from "./engine.ts";
import { prepareRecords } from "./records.ts";
import { beginTenure } from "./tenure.ts";

/** The abstract name under which an owner serves. */
export function abstractName({ hash }: Identity, epoch?: number): string {
  return epoch === undefined ? `newel-singleton/${hash}` : `newel-singleton/${hash}/${epoch}`;
}

/**
 * Whoever has an abstract socket's name is the owner: the name is taken by bind(2), of which exactly
 * one succeeds, and freed by the system when the process ends. Those who come while the owner is
 * being made wait in the socket's own queue.
 */
export class SocketEngine implements Engine {
  readonly #identity: Identity;

  constructor(identity: Identity) {
    if (process.platform !== "linux")
      throw newelError("NEWEL_E_PLATFORM", {
        what: "A singleton without a port",
        platform: process.platform,
      });
    this.#identity = identity;
  }

  async join(options: JoinOptions): Promise<Joined> {
    const { service, contract, timeoutMs, signal } = options;
    if (service !== undefined) prepareRecords(this.#identity.home);
    const address = abstractName(this.#identity);
    for (let tries = 0; ; tries += 1) {
      signal.throwIfAborted();
      try {
        return {
          connection: await connectAbstract(address, contract, { timeoutMs, keepAlive: false }),
        };
      } catch (error) {
        if (!isNobody(error)) throw error;
      }
      const tenure = service && (await this.#win(address, service));
      if (tenure !== undefined) return tenure;
      await pause(tries, signal);
    }
  }

  async #win(address: string, service: () => Service): Promise<Joined | undefined> {
    const { contract, implementation, limits } = service();
    try {
      const server = await serveAbstract(
        address,
        contract,
        implementation,
        limits === undefined ? {} : { limits },
      );
      return await beginTenure(this.#identity, server, { engine: "socket", address });
    } catch (error) {
      if (hasCode(error, "NEWEL_E_ADDRESS_IN_USE")) return undefined;
      throw error;
    }
  }
}
