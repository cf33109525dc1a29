import { messageOf, newelError } from "../base/errors.ts";
import type { CommandFailure, Effect } from "./machine/types.ts";
import type { Report } from "./progress.ts";

/** A command whose end its caller waits for. */
interface Pending {
  readonly report: Report;
  readonly settle: PromiseWithResolvers<boolean>;
}

/** The part of a service that its commands read. */
interface PendingCommandsParts {
  readonly name: () => string;
  /** Adds the remark about the listen() of a generation to the reason of its failure. */
  readonly explain: (generation: number | undefined, why: string) => string;
  /** The name of a generation in the kernel. */
  readonly runOf: (generation: number) => string | undefined;
}

/** The commands of a service whose callers wait, and the errors that these callers get. */
export class PendingCommands {
  readonly #commands = new Map<number, Pending>();
  /** Why the kernel did not make a generation: the caller gets this very error. */
  readonly #launchErrors = new Map<number, unknown>();
  /** The replica that a failed command failed on. */
  readonly #failedOn = new WeakMap<Error, { readonly name: string; readonly run: string }>();
  readonly #parts: PendingCommandsParts;
  #next = 0;

  constructor(parts: PendingCommandsParts) {
    this.#parts = parts;
  }

  /** Adds a command; `done` has its result. */
  add(report: Report): { readonly id: number; readonly done: Promise<boolean> } {
    const id = this.#next;
    this.#next += 1;
    const settle = Promise.withResolvers<boolean>();
    this.#commands.set(id, { report, settle });
    return { id, done: settle.promise };
  }

  /** Reports to the caller of one command. */
  report(id: number, ...progress: Parameters<Report>): void {
    this.#commands.get(id)?.report(...progress);
  }

  /** Reports to every caller. */
  reportAll(...progress: Parameters<Report>): void {
    for (const { report } of this.#commands.values()) report(...progress);
  }

  launchFailed(generation: number, error: unknown): void {
    this.#launchErrors.set(generation, error);
  }

  /** The replica that a command failed on, by the error its caller got. */
  failedOn(error: unknown): { readonly name: string; readonly run: string } | undefined {
    return error instanceof Error ? this.#failedOn.get(error) : undefined;
  }

  /** Settles a command with the outcome that the machine gives. */
  finish({ id, changed, failure: failed }: Extract<Effect, { do: "finish" }>): void {
    const pending = this.#commands.get(id);
    this.#commands.delete(id);
    if (failed === undefined) pending?.settle.resolve(changed);
    else pending?.settle.reject(this.#errorOf(failed));
  }

  #errorOf(failed: CommandFailure): Error {
    const { reason, number, generation, why } = failed;
    if (reason === "cancelled")
      return newelError("NEWEL_E_CANCELLED", { what: `The work on ${this.#parts.name()}` });
    const name = `${this.#parts.name()}.${number ?? ""}`;
    const launchError = this.#launchErrors.get(generation ?? -1);
    this.#launchErrors.clear();
    const explained = this.#parts.explain(generation, why);
    const error =
      reason === "not stopped"
        ? newelError("NEWEL_E_NOT_STOPPED", { name, why })
        : launchError instanceof Error
          ? launchError
          : newelError("NEWEL_E_NOT_READY", { name, service: this.#parts.name(), why: explained });
    const shown = failed.reloading
      ? newelError(
          "NEWEL_E_RELOAD_FAILED",
          { service: this.#parts.name(), why: messageOf(error).replace(/\.$/, "") },
          error,
        )
      : error;
    const run = generation === undefined ? undefined : this.#parts.runOf(generation);
    if (run !== undefined) this.#failedOn.set(shown, { name, run });
    return shown;
  }
}
