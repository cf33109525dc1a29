import { hasCode } from "../../base/errors.ts";
import type { Context } from "../command.ts";
import { findSupervisor, type Supervisor, type SupervisorConnection } from "../reach.ts";

/** A supervisor that takes longer counts as one that hangs, in milliseconds. */
const ANSWER_MS = 3_000;

/** A connection to the supervisor that is made again when it was lost. A supervisor is not started. */
export class SupervisorLink {
  readonly #context: Context;
  #connection: Promise<SupervisorConnection | undefined> | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** The result of `use`; `undefined` while no supervisor runs. */
  async ask<T>(use: (supervisor: Supervisor) => Promise<T>): Promise<T | undefined> {
    const connection = await this.#connect();
    if (connection === undefined) return undefined;
    try {
      return await use(connection.remote.with({ timeoutMs: ANSWER_MS }));
    } catch (error) {
      if (!hasCode(error, "NEWEL_E_CONNECTION_LOST")) throw error;
      // A supervisor that was replaced answers at once; one that ended is asked for again later.
      return (await this.#connect()) === undefined ? undefined : this.#again(use);
    }
  }

  /** The supervisor, for a stream; `undefined` while none runs. */
  async streams(): Promise<Supervisor | undefined> {
    return (await this.#connect())?.remote;
  }

  async close(): Promise<void> {
    await (await this.#connection)?.close();
  }

  async #again<T>(use: (supervisor: Supervisor) => Promise<T>): Promise<T | undefined> {
    const connection = await this.#connect();
    return connection && use(connection.remote.with({ timeoutMs: ANSWER_MS }));
  }

  #connect(): Promise<SupervisorConnection | undefined> {
    this.#connection ??= this.#find();
    return this.#connection;
  }

  async #find(): Promise<SupervisorConnection | undefined> {
    const forget = (): void => void (this.#connection = undefined);
    try {
      const found = await findSupervisor(this.#context, { greetingMs: ANSWER_MS });
      if (found === undefined) forget();
      else void found.closed.then(forget, forget);
      return found;
    } catch (error) {
      forget();
      throw error;
    }
  }
}
