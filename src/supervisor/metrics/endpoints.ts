import { messageOf } from "../../base/errors.ts";
import type { MetricFamily } from "../api.ts";
import type { App } from "../app.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import type { Endpoint, MetricsAddress } from "./endpoint.ts";
import { Exporters } from "./exporters.ts";

/** How long after a failure an address is tried again, in milliseconds. */
const AGAIN_MS = 10_000;

/** The dependencies of the endpoints. */
export interface EndpointsParts {
  readonly apps: () => Iterable<App>;
  readonly collect: (apps: readonly string[]) => Promise<readonly MetricFamily[]>;
  readonly log: (text: string) => void;
}

/**
 * The endpoints that the configurations of the apps ask for, one for each address; apps of the same address share
 * one; and the exporters next to them. Nothing is loaded while no app has `metrics`.
 */
export class Endpoints {
  readonly #parts: EndpointsParts;
  readonly #exporters: Exporters;
  readonly #open = new Map<string, Endpoint>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: EndpointsParts) {
    this.#parts = parts;
    this.#exporters = new Exporters(parts);
  }

  /**
   * Opens the endpoint of a configuration that is about to be applied.
   *
   * @throws NEWEL_E_METRICS_ADDRESS when its address cannot be bound
   */
  prepare({ metrics }: ResolvedConfig): Promise<void> {
    return metrics?.prometheus === undefined
      ? Promise.resolve()
      : this.#ensureInTurn(metrics.prometheus);
  }

  #ensureInTurn(address: MetricsAddress): Promise<void> {
    return this.#inTurn(() => this.#ensure(address));
  }

  /** Opens and closes endpoints until they match the settings of the apps. */
  settle(): Promise<void> {
    this.#exporters.settle();
    return this.#inTurn(async () => {
      clearTimeout(this.#timer);
      const wanted = new Map<string, MetricsAddress>();
      for (const { config } of this.#parts.apps())
        if (config.metrics?.prometheus !== undefined)
          wanted.set(JSON.stringify(config.metrics.prometheus), config.metrics.prometheus);
      for (const [key, endpoint] of this.#open) {
        if (wanted.has(key)) continue;
        endpoint.close();
        this.#open.delete(key);
      }
      for (const address of wanted.values()) {
        try {
          await this.#ensure(address);
        } catch (error) {
          this.#parts.log(messageOf(error));
          if (!this.#isClosed) this.#timer = setTimeout(() => void this.settle(), AGAIN_MS).unref();
        }
      }
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#exporters.close();
    clearTimeout(this.#timer);
    for (const endpoint of this.#open.values()) endpoint.close();
    this.#open.clear();
  }

  async #ensure(address: MetricsAddress): Promise<void> {
    const key = JSON.stringify(address);
    if (this.#open.has(key) || this.#isClosed) return;
    const { openEndpoint } = await import("./endpoint.ts");
    const endpoint = await openEndpoint(address, () => this.#parts.collect(this.#appsOf(key)));
    if (this.#isClosed) endpoint.close();
    else this.#open.set(key, endpoint);
  }

  #appsOf(key: string): string[] {
    return [...this.#parts.apps()].flatMap(({ name, config: { metrics } }) =>
      metrics?.prometheus !== undefined && JSON.stringify(metrics.prometheus) === key ? [name] : [],
    );
  }

  /** One change after the other. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.#last.then(work);
    this.#last = next.catch(() => undefined);
    return next;
  }
}
