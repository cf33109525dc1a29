import { isNewelError } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { SupervisorEvent } from "../../supervisor/api.ts";
import type { ForegroundSession } from "../foreground.ts";
import type { Output } from "../output/output.ts";

/** How long to wait for the next supervisor when one has ended, in milliseconds. */
const AGAIN_MS = 1_000;

/** Reports programs that end by themselves, outside of the restarts, which report their own failures. */
export class DevExits {
  readonly #output: Output;
  /** Services that a verb changes now, with the number of such verbs. */
  readonly #busy = new Map<string, number>();
  /** Services whose end was reported. */
  readonly #reported = new Set<string>();

  constructor(output: Output) {
    this.#output = output;
  }

  /** Runs a verb on services; their ends during it are reported by its own result. */
  async during<T>(names: readonly string[], verb: () => Promise<T>): Promise<T> {
    for (const name of names) this.#busy.set(name, (this.#busy.get(name) ?? 0) + 1);
    for (const name of names) this.#reported.delete(name);
    try {
      return await verb();
    } finally {
      for (const name of names) this.#busy.set(name, (this.#busy.get(name) ?? 1) - 1);
    }
  }

  /** Whether the end of a service was reported since its last verb began. */
  hasEnded(service: string): boolean {
    return this.#reported.has(service);
  }

  /** Reports each process that ends, until the command ends. A supervisor that dies is replaced. */
  async follow(session: ForegroundSession, app: string): Promise<void> {
    while (!session.ending.aborted) {
      try {
        for await (const event of session.supervisor().events())
          if (event.app === app) this.#hear(event);
      } catch (error) {
        if (!isNewelError(error)) throw error;
      }
      await sleep(AGAIN_MS, session.ending);
    }
  }

  #hear({ service, state, why, note }: SupervisorEvent): void {
    if (note !== undefined || this.#reported.has(service)) return;
    // A failure under a verb is reported by the verb.
    const isBusy = (this.#busy.get(service) ?? 0) > 0;
    if (state !== "completed" && (state !== "failed" || isBusy)) return;
    this.#reported.add(service);
    const how =
      state === "completed"
        ? `${service} has ended with exit code 0.`
        : `${service}: ${why ?? "it failed"}.`;
    this.#output.say(`${how} The next change starts it again.`);
  }
}
