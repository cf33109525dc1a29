import { hasCode, newelError, systemCode } from "../../base/errors.ts";
import { deriveKey, type SecretKey } from "../../wire/secret.ts";
import { connectTcp, serveTcp, type TcpAddress } from "../../wire/tcp.ts";
import type { PortOptions } from "../api.ts";
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
import { Refusals } from "./refusals.ts";
import { beginTenure } from "./tenure.ts";

const RESETS_OF_A_DEATH = 10;
const LOOPBACK = "127.0.0.1";
/** A port of another machine cannot be won from here, only reached. */
const FOREIGN: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "ENOTFOUND", "EAI_AGAIN"]);

/**
 * The process that listens at the port is the owner; from a machine without that address the port
 * can only be reached.
 */
export class PortEngine implements Engine {
  readonly place: string;
  readonly #identity: Identity;
  readonly #options: PortOptions;
  readonly #refusals: Refusals;
  #key: SecretKey | undefined;

  constructor(identity: Identity, options: PortOptions) {
    const { port, host = LOOPBACK, secret } = options;
    const why =
      !Number.isInteger(port) || port < 1 || port > 65_535
        ? `${port} is no port`
        : secret === undefined && ![LOOPBACK, "::1", "localhost"].includes(host)
          ? "other machines are let in with a secret only"
          : undefined;
    if (why !== undefined) throw newelError("NEWEL_E_SINGLETON", { name: identity.id, why });
    this.place = `at ${host}:${port}`;
    this.#identity = identity;
    this.#options = options;
    this.#refusals = new Refusals(identity.id);
  }

  async join(options: JoinOptions): Promise<Joined> {
    const { service, contract, timeoutMs, limits, signal } = options;
    if (service !== undefined) prepareRecords(this.#identity.home);
    const address = await this.#address();
    let resets = 0;
    for (let tries = 0; ; tries += 1) {
      signal.throwIfAborted();
      try {
        return {
          connection: await connectTcp(address, contract, { timeoutMs, keepAlive: false, limits }),
        };
      } catch (error) {
        // A dying owner resets connections once; an owner that requires a secret does so each time.
        resets = hasCode(error, "NEWEL_E_SECRET") ? resets + 1 : 0;
        if (!isNobody(error) || resets > RESETS_OF_A_DEATH) throw error;
      }
      const tenure = service && (await this.#win(address, service));
      if (tenure !== undefined) return tenure;
      await pause(tries, signal);
    }
  }

  async #win(address: TcpAddress, service: () => Service): Promise<Joined | undefined> {
    const { contract, implementation, limits } = service();
    try {
      const server = await serveTcp(address, contract, implementation, {
        ...(limits === undefined ? {} : { limits }),
        onRefused: (error, peer) => this.#refusals.report(error, peer),
      });
      const { host = LOOPBACK, port, secret } = this.#options;
      return await beginTenure(this.#identity, server, {
        engine: "port",
        address: `${host}:${port}`,
        ...(secret === undefined ? {} : { hasSecret: true }),
      });
    } catch (error) {
      if (hasCode(error, "NEWEL_E_ADDRESS_IN_USE")) return undefined;
      if (FOREIGN.has(systemCode(error) ?? "")) return undefined;
      throw error;
    }
  }

  /**
   * The address with the key of the secret, which takes time to derive and is the same each time.
   */
  async #address(): Promise<TcpAddress> {
    const { host = LOOPBACK, port, secret } = this.#options;
    if (secret === undefined) return { host, port };
    this.#key ??= await deriveKey(secret, this.#identity.claim);
    return { host, port, secret: this.#key };
  }
}
