import { CloneBody, encodeBody, encodeTransferred, kept, type Body } from "./body.ts";
import type { RunOptions } from "./options.ts";
import type { Settings } from "./settings.ts";
import { ANY_WORKER, type TaskRequest } from "./task.ts";
import type { CallerTelemetry } from "./telemetry.ts";
import { limitsOf, type TaskLimits } from "./task-limits.ts";

/**
 * Turns the arguments of callers into requests for the dispatcher: a copy of the task, and the
 * options' defaults.
 */
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
    kind = 0,
    onItem?: TaskLimits["onItem"],
  ): TaskRequest {
    const { priority = 0, worker = ANY_WORKER } = options;
    const limits = limitsOf(options, this.#settings, onItem);
    const body = this.#encode(task, options.transfer);
    // Items that were read cannot be taken back, and a port exists once.
    const mayRepeat = onItem === undefined && !(body instanceof CloneBody && body.isUnique);
    const retries = mayRepeat ? (options.retries ?? this.#settings.retries) : 0;
    return { kind, body, isPut, priority, workerNumber: worker, retries, limits, resolve, reject };
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

  /** From now on; 0 means no limit. */
  timeoutMs({ timeoutMs = this.#settings.timeoutMs }: { readonly timeoutMs?: number }): number {
    return timeoutMs === Number.POSITIVE_INFINITY ? 0 : timeoutMs;
  }
}
