import { messageOf, newelError } from "../base/errors.ts";
import type { SocketRequest } from "../kernel/api.ts";
import type { App } from "./app.ts";
import type { DependencyCondition } from "./config/types.ts";
import type { ResolvedConfig, ResolvedService } from "./config/resolved.ts";
import { dependencyOrder, planUp, type PresentService, type ServiceChange } from "./plan.ts";
import { checkStartable } from "./preflight.ts";
import { failure, type Report } from "./progress.ts";
import type { FoundProcess } from "./found-process.ts";
import type { Service } from "./service.ts";
import type { Sockets } from "./sockets.ts";

/** The plan of an `up`; nothing has been changed yet. */
export interface UpWork {
  /** With the kernel's name of each socket. */
  readonly config: ResolvedConfig;
  readonly changes: readonly ServiceChange[];
  readonly make: readonly SocketRequest[];
  readonly notes: readonly string[];
}

/** The result of one service. */
type Outcome = "changed" | "unchanged" | "failed";

interface Failure {
  readonly service: string;
  readonly error: unknown;
}

/**
 * Plans an `up` and checks that it can be carried out; nothing is touched.
 *
 * @param app - the app that is to get the configuration, if it is there
 * @throws NEWEL_E_ADDRESS_TAKEN, NEWEL_E_CANNOT_START
 */
export async function planUpOf(
  given: ResolvedConfig,
  app: App | undefined,
  sockets: Sockets,
): Promise<UpWork> {
  const { config, make, notes } = await sockets.plan(given, app);
  const services = [...(app?.services ?? [])];
  const changes = planUp(config, new Map(services.map(([name, one]) => [name, one.present()])));
  for (const { service, change } of changes) {
    const spec = config.services.find(({ name }) => name === service);
    const starts = change === "start" || change === "reload" || change === "scale";
    if (spec !== undefined && starts) checkStartable(spec);
  }
  return { config, changes, make, notes };
}

const quiet: Report = () => {};

/**
 * One `up` as a transaction. Until the new configuration is stored, every step has a rollback:
 *
 * | step | rollback |
 * |---|---|
 * | make new sockets | remove them |
 * | stop services that are gone and must not run next to their successors | start them |
 * | change services, each after those it depends on | the former settings, start-first |
 * | start new services | stop and forget them; their output stays |
 * | store the configuration | – |
 *
 * Only then services that are gone are stopped and sockets without a user removed. Were this supervisor
 * to die, the next one brings back the stored configuration.
 */
export class Up {
  readonly #app: App;
  readonly #plan: UpWork;
  readonly #sockets: Sockets;
  readonly #made: string[] = [];
  readonly #added = new Set<Service>();
  readonly #before = new Map<Service, PresentService>();
  readonly #failures: Failure[] = [];
  readonly #runs: readonly FoundProcess[];
  readonly #isFirst: boolean;

  /** @param runs - the kernel's processes of all apps: a new service finds its earlier output there */
  constructor(app: App, plan: UpWork, sockets: Sockets, runs: readonly FoundProcess[]) {
    this.#app = app;
    this.#plan = plan;
    this.#sockets = sockets;
    this.#runs = runs;
    this.#isFirst = app.ending;
  }

  /**
   * Makes the sockets that are missing.
   *
   * @throws NEWEL_E_ADDRESS_TAKEN and others; nothing has changed then
   */
  async prepare(): Promise<void> {
    const { config, make } = this.#plan;
    this.#app.begin(config);
    try {
      // Stored before any socket exists, so that a later supervisor knows the owner of each.
      await this.#app.save();
      for (const request of make) {
        await this.#sockets.make(config, request);
        this.#made.push(request.name);
      }
    } catch (error) {
      await this.#removeMade();
      await this.#abandon();
      throw error;
    }
  }

  /**
   * Applies the plan.
   *
   * @param signal - asks to end early; the steps are rolled back then
   * @returns whether anything was done
   * @throws NEWEL_E_UP_FAILED after the rollback, NEWEL_E_NOT_RESTORED when that failed
   */
  async perform(report: Report, signal: AbortSignal): Promise<boolean> {
    for (const text of this.#plan.notes) report({ type: "note", text });
    const ended = whenAborted(signal, () => this.#stopAll());
    const former = this.#app.socketNames;
    let changed: boolean;
    try {
      changed = await this.#apply(report, signal);
    } catch (error) {
      ended.clear();
      throw await this.#failed(error, report);
    }
    ended.clear();
    const retired = await this.#retire(report);
    await this.#removeUnused(former, report);
    return changed || retired;
  }

  /** Ends the work under way; the `down` that asks for it reports services that could not be stopped. */
  async #stopAll(): Promise<void> {
    await Promise.allSettled([...this.#app.services.values()].map((each) => stop(each, quiet)));
  }

  async #apply(report: Report, signal: AbortSignal): Promise<boolean> {
    const { config } = this.#plan;
    await this.#stopFirst(report);
    const outcomes = new Map<string, Promise<Outcome>>();
    for (const spec of dependencyOrder(config.services.filter(({ enabled }) => enabled)))
      outcomes.set(spec.name, this.#changeOne(spec, outcomes, report, signal));
    const results = await Promise.all(outcomes.values());
    const [first] = this.#failures;
    if (first !== undefined) throw first.error;
    if (signal.aborted) throw newelError("NEWEL_E_CANCELLED", { what: `The up of ${config.name}` });
    await this.#app.commit(config);
    return results.includes("changed");
  }

  /** A service under another name, without a held socket, may own a port or must not work twice. */
  async #stopFirst(report: Report): Promise<void> {
    const { services } = this.#app;
    const isNew = this.#plan.config.services.some(
      ({ name, listen, enabled }) => enabled && listen.length === 0 && !services.has(name),
    );
    if (!isNew) return;
    for (const service of this.#gone().filter(({ spec }) => spec.listen.length === 0)) {
      this.#before.set(service, service.present());
      await stop(service, report);
    }
  }

  async #changeOne(
    spec: ResolvedService,
    outcomes: ReadonlyMap<string, Promise<Outcome>>,
    report: Report,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const change =
      this.#plan.changes.find(({ service }) => service === spec.name)?.change ?? "none";
    const known = this.#app.services.get(spec.name);
    const service = known ?? this.#app.add(spec, this.#endedRuns(spec.name));
    if (known === undefined) this.#added.add(service);
    try {
      if (change !== "none" && change !== "update")
        await dependenciesMet(this.#app, spec, outcomes, signal);
      this.#checkStopped(spec.name, signal);
      const before = service.present();
      const { replicas } = spec;
      const changed = await service.command({ kind: "apply", spec, up: true, replicas }, report);
      if (known !== undefined) this.#before.set(service, before);
      return changed || change === "update" ? "changed" : "unchanged";
    } catch (error) {
      this.#failures.push({ service: spec.name, error });
      await service.reportFailure(error, report);
      return "failed";
    }
  }

  #endedRuns(service: string): readonly FoundProcess[] {
    return this.#runs.filter(
      ({ run, info }) => run.app === this.#app.name && run.service === service && !info.running,
    );
  }

  /** A `stop` of the service, or a `down`, has come while it waited. */
  #checkStopped(service: string, signal: AbortSignal): void {
    if (!signal.aborted && !this.#app.stopped.has(service)) return;
    throw newelError("NEWEL_E_CANCELLED", { what: `The start of ${service}` });
  }

  /** Rolls back; returns the error to throw. */
  async #failed(error: unknown, report: Report): Promise<Error> {
    const { name } = this.#plan.config;
    const [first] = this.#failures;
    const about = {
      app: name,
      service: first?.service ?? "",
      services: this.#failures.map(({ service }) => service).join(", ") || "newel",
      why: sentence(error),
    };
    const problems = this.#app.goingDown ? [] : await this.#rollBack(report);
    try {
      await this.#abandon();
    } catch (problem) {
      problems.push(sentence(problem));
    }
    if (problems.length > 0)
      return newelError("NEWEL_E_NOT_RESTORED", { ...about, back: problems.join("; ") }, error);
    const state = this.#isFirst
      ? `${name} is not up, as before.`
      : `${this.#app.name} runs as before.`;
    return newelError("NEWEL_E_UP_FAILED", { ...about, state }, error);
  }

  async #rollBack(report: Report): Promise<string[]> {
    const restored = [...this.#before].map(([service, before]) =>
      restore(service, before, this.#app.stopped, report),
    );
    const removed = [...this.#added].map(async (service) => {
      await stop(service, report);
      this.#app.forget(service);
    });
    const results = await Promise.allSettled([...restored, ...removed]);
    const problems = results.flatMap((result) =>
      result.status === "rejected" ? [sentence(result.reason)] : [],
    );
    // A process that could not be stopped may use them.
    if (problems.length === 0)
      await this.#removeMade().catch((error: unknown) => problems.push(sentence(error)));
    return problems;
  }

  async #abandon(): Promise<void> {
    this.#app.abandon();
    if (!this.#isFirst) await this.#app.save();
  }

  async #removeMade(): Promise<void> {
    for (const name of this.#made.splice(0)) await this.#sockets.remove(name);
  }

  /** Services that the configuration does not have any more. */
  #gone(): Service[] {
    const kept = this.#plan.config.services.filter(({ enabled }) => enabled);
    return [...this.#app.services.values()].filter(
      (service) => !kept.some(({ name }) => name === service.name),
    );
  }

  async #retire(report: Report): Promise<boolean> {
    const gone = this.#gone();
    const results = gone.map(async (service) => {
      try {
        await stop(service, report);
        this.#app.forget(service);
      } catch (error) {
        // It stays in the list, so that the next `up` or `down` tries again.
        await service.reportFailure(error, report);
      }
    });
    await Promise.all(results);
    return gone.length > 0;
  }

  async #removeUnused(former: ReadonlySet<string>, report: Report): Promise<void> {
    try {
      await this.#sockets.removeUnused(this.#app, former);
    } catch (error) {
      const text = `a socket that nothing uses could not be removed yet: ${messageOf(error)}`;
      report({ type: "note", text });
    }
  }
}

/**
 * Stops all services of an app, each after those that depend on it.
 *
 * @returns the services that could not be stopped; each is reported
 */
export async function takeDown(app: App, report: Report): Promise<readonly string[]> {
  const stopped = new Map<string, Promise<void>>();
  const left: string[] = [];
  const services = [...app.services.values()];
  for (const spec of dependencyOrder(services.map((service) => service.spec)).toReversed()) {
    const service = app.services.get(spec.name);
    if (service === undefined) continue;
    const before = services
      .filter((other) => spec.name in other.spec.dependsOn)
      .map(({ name }) => stopped.get(name) ?? Promise.resolve());
    const work = Promise.all(before).then(async () => {
      try {
        await stop(service, report);
      } catch (error) {
        left.push(service.name);
        report(failure(service.name, error));
      }
    });
    stopped.set(spec.name, work);
  }
  await Promise.all(stopped.values());
  return left;
}

async function stop(service: Service, report: Report): Promise<void> {
  await service.command({ kind: "stop", now: false }, report);
}

/** Calls a function when the signal aborts, unless it was cleared before. */
function whenAborted(
  signal: AbortSignal,
  act: () => Promise<void>,
): { readonly clear: () => void } {
  const listener = (): void => void act();
  signal.addEventListener("abort", listener, { once: true });
  return { clear: () => signal.removeEventListener("abort", listener) };
}

/** Brings a service back to its former settings and number. */
async function restore(
  service: Service,
  { spec, up, replicas, copies, completedReplicas: completed = [] }: PresentService,
  stopped: ReadonlySet<string>,
  report: Report,
): Promise<void> {
  const wanted = { up: up && !stopped.has(service.name), replicas };
  try {
    await service.command({ kind: "apply", spec, ...wanted, completed }, report);
  } catch (error) {
    // A service that did not run before need not run now.
    if (copies.length > 0) throw error;
  }
}

async function dependenciesMet(
  app: App,
  spec: ResolvedService,
  outcomes: ReadonlyMap<string, Promise<Outcome>>,
  signal: AbortSignal,
): Promise<void> {
  for (const [name, condition] of Object.entries(spec.dependsOn)) {
    const dependency = app.services.get(name);
    if (dependency === undefined) continue;
    const over = new AbortController();
    const failed = outcomes.get(name)?.then((outcome) => {
      if (outcome !== "failed") return new Promise<void>(() => {});
      throw newelError("NEWEL_E_DEPENDENCY", { service: spec.name, dependency: name });
    });
    const met = dependency.until(
      () => isMet(dependency, condition),
      AbortSignal.any([over.signal, signal]),
    );
    await Promise.race(failed === undefined ? [met] : [met, failed]).finally(() => over.abort());
    if (signal.aborted)
      throw newelError("NEWEL_E_CANCELLED", { what: `The start of ${spec.name}` });
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

function sentence(error: unknown): string {
  return messageOf(error).replace(/\.$/, "");
}
