import { hasCode, newelError } from "../../base/errors.ts";
import { connectAbstract, serveAbstract } from "../../wire/unix.ts";
import type { Identity } from "../identity.ts";
import { abstractName } from "./address.ts";
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

/**
 * The process that holds the name of an abstract socket is the owner: bind(2) takes the name,
 * exactly one bind succeeds, and the operating system frees the name when the process ends. Clients
 * that connect while the instance is being made wait in the accept queue of the socket.
 */
export class SocketEngine implements Engine {
  readonly place = "at its abstract socket";
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
    const { service, contract, timeoutMs, limits, signal } = options;
    if (service !== undefined) prepareRecords(this.#identity.home);
    const address = abstractName(this.#identity);
    for (let tries = 0; ; tries += 1) {
      signal.throwIfAborted();
      try {
        return {
          connection: await connectAbstract(address, contract, {
            timeoutMs,
            keepAlive: false,
            limits,
          }),
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
