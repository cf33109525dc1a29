import { encodeBody, encodeTransferred, kept, type Body } from "./body.ts";
import type { RunOptions, Settings } from "./options.ts";
import { ANY_WORKER, type TaskRequest } from "./task.ts";
import type { CallerTelemetry } from "./telemetry.ts";
import { termsOf } from "./terms.ts";

/** Makes what the dispatcher takes of what callers give: a copy of the task, and the options' defaults. */
export class Requests {
  readonly #settings: Settings;
  readonly #telemetry: CallerTelemetry | undefined;
  readonly #canClone: boolean;

  constructor(settings: Settings, telemetry: CallerTelemetry | undefined) {
    this.#settings = settings;
    this.#telemetry = telemetry;
    this.#canClone = settings.kind === "thread";
  }

  /** @throws NEWEL_E_NOT_SENDABLE, NEWEL_E_POOL_OPTION */
  make(
    task: unknown,
    options: RunOptions,
    isPut: boolean,
    resolve: TaskRequest["resolve"],
    reject: TaskRequest["reject"],
  ): TaskRequest {
    const { priority = 0, worker = ANY_WORKER, retries = this.#settings.retries } = options;
    const terms = termsOf(options, this.#settings);
    const body = this.#encode(task, options.transfer);
    return { body, isPut, priority, workerNumber: worker, retries, terms, resolve, reject };
  }

  /** A task that is sent to several workers. */
  forAll(task: unknown): Body {
    return kept(this.#encode(task, undefined));
  }

  #encode(task: unknown, transfer: RunOptions["transfer"]): Body {
    const body =
      transfer === undefined
        ? encodeBody(task, this.#canClone)
        : encodeTransferred(task, transfer, this.#canClone);
    return this.#telemetry === undefined ? body : this.#telemetry.addContext(body);
  }

  /** From now on; 0 for no limit. */
  timeoutMs({ timeoutMs }: { readonly timeoutMs?: number }): number {
    return timeoutMs ?? this.#settings.timeoutMs;
  }
}
