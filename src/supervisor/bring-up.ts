import { newelError } from "../base/errors.ts";
import type { App } from "./app.ts";
import type { DependencyCondition } from "./config/types.ts";
import { dependencyOrder, type ServiceChange } from "./plan.ts";
import type { Report } from "./progress.ts";
import type { Service } from "./service.ts";

/** How a service's part of `up` went. */
type Outcome = "changed" | "unchanged" | "failed";

/**
 * Carries out the plan of `up`: side by side, each service after those it depends on.
 *
 * @returns whether anything was done; failures are reported
 */
export async function bringUp(
  app: App,
  changes: readonly ServiceChange[],
  report: Report,
): Promise<boolean> {
  const outcomes = new Map<string, Promise<Outcome>>();
  for (const spec of dependencyOrder(app.config.services)) {
    const change = changes.find(({ service }) => service === spec.name);
    const service = app.services.get(spec.name);
    if (change === undefined || service === undefined) continue;
    outcomes.set(spec.name, bringUpOne(app, service, change, outcomes, report));
  }
  for (const change of changes) {
    const service = app.services.get(change.service);
    const gone = !app.config.services.some(
      ({ name, enabled }) => name === change.service && enabled,
    );
    if (service !== undefined && gone) outcomes.set(change.service, retire(app, service, report));
  }
  const results = await Promise.all(outcomes.values());
  return results.some((outcome) => outcome !== "unchanged");
}

/** Stops all services of an app, each after those that depend on it. */
export async function takeDown(app: App, report: Report): Promise<void> {
  const stopped = new Map<string, Promise<void>>();
  for (const spec of dependencyOrder(
    [...app.services.values()].map((service) => service.spec),
  ).reverse()) {
    const service = app.services.get(spec.name);
    if (service === undefined) continue;
    const dependents = [...app.services.values()].filter(
      (other) => spec.name in other.spec.dependsOn,
    );
    const before = dependents.map(({ name }) => stopped.get(name) ?? Promise.resolve());
    stopped.set(
      spec.name,
      Promise.all(before).then(async () => {
        await service.command({ kind: "stop", now: false }, report);
      }),
    );
  }
  await Promise.all(stopped.values());
}

async function bringUpOne(
  app: App,
  service: Service,
  change: ServiceChange,
  outcomes: ReadonlyMap<string, Promise<Outcome>>,
  report: Report,
): Promise<Outcome> {
  try {
    const spec = app.config.services.find(({ name }) => name === service.name) ?? service.spec;
    if (change.change !== "none" && change.change !== "update")
      await dependenciesMet(app, service, outcomes);
    const { replicas } = spec;
    const changed = await service.command({ kind: "apply", spec, up: true, replicas }, report);
    return changed || change.change === "update" ? "changed" : "unchanged";
  } catch (error) {
    await service.reportFailure(error, report);
    return "failed";
  }
}

async function retire(app: App, service: Service, report: Report): Promise<Outcome> {
  try {
    await service.command({ kind: "stop", now: false }, report);
    app.forget(service);
    return "changed";
  } catch (error) {
    await service.reportFailure(error, report);
    return "failed";
  }
}

async function dependenciesMet(
  app: App,
  service: Service,
  outcomes: ReadonlyMap<string, Promise<Outcome>>,
): Promise<void> {
  for (const [name, condition] of Object.entries(service.spec.dependsOn)) {
    const dependency = app.services.get(name);
    if (dependency === undefined) continue;
    const abort = new AbortController();
    const failed = outcomes.get(name)?.then((outcome) => {
      if (outcome !== "failed") return new Promise<void>(() => {});
      throw newelError("NEWEL_E_DEPENDENCY", { service: service.name, dependency: name });
    });
    const met = dependency.until(() => isMet(dependency, condition), abort.signal);
    await Promise.race(failed === undefined ? [met] : [met, failed]).finally(() => abort.abort());
  }
}

function isMet(dependency: Service, condition: DependencyCondition): boolean {
  switch (condition) {
    case "started":
      return dependency.replicas.some(({ pid }) => pid !== undefined) || dependency.completed;
    case "ready":
      return dependency.readyCount >= dependency.wanted.replicas || dependency.completed;
    case "completed":
      return dependency.completed;
  }
}
