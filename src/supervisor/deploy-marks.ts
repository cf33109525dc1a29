import { dirname, relative } from "node:path";

import type { Home } from "../base/home.ts";
import type { SupervisorEvent } from "./api.ts";

/** The end of a deploy: the release is live, a step failed, or a kill or a reboot interrupted it. */
export type DeployResult = "live" | "failed" | "interrupted";

/** One mark: the step or the end that a release has reached. */
type Mark = Pick<SupervisorEvent, "app" | "service" | "state" | "ready" | "why">;

/** Reads the marks of deploys from the status of their processes, and counts the ends. */
export class DeployMarks {
  readonly #counts = new Map<string, Map<DeployResult, number>>();

  /**
   * The event of a status such as `12 install`, `12 live` or `12 failed at build`.
   *
   * @returns `undefined` for a text that is no mark
   */
  hear(app: string, status: string): Mark | undefined {
    const [, number, reached] = /^(\d+) (.+)$/.exec(status) ?? [];
    if (number === undefined || reached === undefined) return undefined;
    const result = resultOf(reached);
    if (result !== undefined) {
      const counts = this.#counts.get(app) ?? new Map<DeployResult, number>();
      this.#counts.set(app, counts.set(result, (counts.get(result) ?? 0) + 1));
    }
    const state = result === undefined ? "running" : result === "live" ? "completed" : "failed";
    return { app, service: `deploy/${number}`, state, ready: result === "live", why: reached };
  }

  /** The ends of the deploys of an app since this supervisor began. */
  countsOf(app: string): ReadonlyMap<DeployResult, number> {
    return this.#counts.get(app) ?? new Map();
  }
}

function resultOf(reached: string): DeployResult | undefined {
  if (reached === "live" || reached === "interrupted") return reached;
  return /^(?:rollback )?failed\b/.test(reached) ? "failed" : undefined;
}

/** The number of the release that an app runs; `undefined` for an app that no deploy has made. */
export function releaseOf(home: Home, app: string, file: string): number | undefined {
  const [first, name, releases, number] = relative(home.directory, dirname(file)).split("/");
  const isRelease = first === "deploys" && name === app && releases === "releases";
  return isRelease && /^\d+$/.test(number ?? "") ? Number(number) : undefined;
}
