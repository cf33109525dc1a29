import { findHome } from "../../base/home.ts";
import { newelError } from "../../base/errors.ts";
import type { MetricFamily, Progress, ServiceView, Target } from "../../supervisor/api.ts";
import type { Context } from "../command.ts";
import { checkApp } from "../here.ts";
import { findSupervisor, type SupervisorConnection } from "../reach.ts";
import { type Row, rowsOf } from "./rows.ts";
import type { TopVerb } from "./state.ts";

/** A supervisor that takes longer is busy or hangs: the table shows the reading before. */
const ANSWER_MS = 3_000;

/** The services with their figures. */
interface Reading {
  readonly services: readonly ServiceView[];
  readonly families: readonly MetricFamily[];
}

/** Reads the services of a target again and again; it connects again after the supervisor was replaced. */
export class Sampler {
  readonly #context: Context;
  readonly #target: Target;
  #connection: SupervisorConnection | undefined;
  #last: Reading = { services: [], families: [] };

  constructor(context: Context, target: Target) {
    this.#context = context;
    this.#target = target;
  }

  /**
   * Connects, and checks the app of the target.
   *
   * @throws NEWEL_E_NOT_UP while no supervisor runs, NEWEL_E_NO_SERVICE for an app that is not up
   */
  async open(): Promise<void> {
    const { remote } = await this.#connect();
    const { app } = this.#target;
    if (app !== undefined) checkApp(app, await remote.with({ timeoutMs: ANSWER_MS }).apps());
  }

  /**
   * Reads the services and figures of now.
   *
   * @throws NEWEL_E_NOT_UP while no supervisor runs
   */
  async read(): Promise<void> {
    const { remote } = await this.#connect();
    const limited = remote.with({ timeoutMs: ANSWER_MS });
    try {
      const services = await limited.list(this.#target);
      const apps = [...new Set(services.map(({ app }) => app))];
      const families = apps.length === 0 ? [] : await limited.metrics({ apps });
      this.#last = { services, families };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** The rows of the last reading. */
  rows(by: "service" | "replica"): Row[] {
    return rowsOf(this.#last.services, this.#last.families, by);
  }

  /** Carries out a verb on one service. */
  async *perform(verb: TopVerb, name: string): AsyncIterable<Progress> {
    const { remote } = await this.#connect();
    const target: Target = { names: [name] };
    yield* verb === "stop" ? remote.stop(target) : remote.restart(target);
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.close();
  }

  async #connect(): Promise<SupervisorConnection> {
    if (this.#connection !== undefined) return this.#connection;
    const found = await findSupervisor(this.#context, { greetingMs: ANSWER_MS });
    if (found === undefined)
      throw newelError("NEWEL_E_NOT_UP", {
        what: `No supervisor runs in ${findHome(this.#context.environment).directory}`,
      });
    this.#connection = found;
    void found.closed.then(() => {
      if (this.#connection === found) this.#connection = undefined;
    });
    return found;
  }
}
