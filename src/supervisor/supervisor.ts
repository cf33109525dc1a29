import { messageOf, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import type { KernelEvent } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type {
  AppView,
  Hello,
  MetricFamily,
  Progress,
  ScaleRequest,
  ServiceDetail,
  ServiceView,
  SupervisorApi,
  SupervisorBuild,
  SupervisorEvent,
  Target,
  UpOptions,
  UpPlan,
} from "./api.ts";
import { Alerts } from "./alerts/alerts.ts";
import { AppVerbs, admitted } from "./app-verbs.ts";
import { App, parseStoredApp, type StoredApp } from "./app.ts";
import { Apps } from "./apps.ts";
import { Commands } from "./commands.ts";
import type { ResolvedConfig } from "./config/resolved.ts";
import { pendingChanges } from "./config/running.ts";
import { DeployMarks } from "./deploy-marks.ts";
import { UnfinishedDeploys } from "./deploy-process.ts";
import { EventLog } from "./event-log.ts";
import { ListenEvents } from "./listen-events.ts";
import type { Command } from "./machine/types.ts";
import type { Collector } from "./metrics/collect.ts";
import { Endpoints } from "./metrics/endpoints.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { describePlan } from "./plan.ts";
import { appValueName, deployedApp, parseRunName } from "./process-names.ts";
import { progressOf } from "./progress.ts";
import { withSockets } from "./provide-sockets.ts";
import { findRuns, Reconciler } from "./reconcile.ts";
import type { SocketHolder } from "./socket-holder.ts";
import { Refusing } from "./refusing.ts";
import { signalReplicas } from "./signal-replicas.ts";
import { Sockets } from "./sockets.ts";
import { type Found, findServices } from "./targets.ts";
import { planUpOf } from "./up.ts";
import { Usages } from "./usage.ts";
import { viewDetail, viewService, type ViewParts } from "./views.ts";
import { Schedules } from "./schedules.ts";
import { Watches } from "./watches.ts";

/** What an answer may take to leave before this process ends, in milliseconds. */
const ANSWER_MS = 50;

export interface SupervisorParts {
  readonly kernel: KernelClient;
  readonly home: Home;
  readonly version: string;
  /** Keeps copies of the kernel's sockets. */
  readonly holder: SocketHolder;
  readonly log: (text: string) => void;
  /** Ends the daemon; services run on. */
  readonly quit: () => void;
  /** Replaces the daemon's program; services run on. */
  readonly upgrade: (build: SupervisorBuild) => void;
}

/** Every app of a home. The kernel holds the processes and sockets, not the supervisor. */
export class Supervisor implements SupervisorApi {
  readonly #parts: SupervisorParts;
  readonly #apps = new Apps();
  readonly #usages: Usages;
  readonly #abort = new AbortController();
  readonly #events = new EventLog(this.#abort.signal);
  readonly #sockets: Sockets;
  readonly #verbs: AppVerbs;
  readonly #reconciler: Reconciler;
  readonly #refusing: Refusing;
  readonly #listening: ListenEvents;
  readonly #endpoints: Endpoints;
  #collector: Collector | undefined;
  readonly #memory: MemoryWatch;
  readonly #commands = new Commands((app) => this.#apps.has(app));
  readonly #watches: Watches;
  readonly #deploys: UnfinishedDeploys;
  readonly #schedules: Schedules;
  readonly #marks = new DeployMarks();
  readonly #alerts: Alerts;
  /** Calls of `up` and `down` that are not done. */
  #underWay = 0;
  #greeted = false;

  constructor(parts: SupervisorParts) {
    const { kernel, log } = parts;
    const apps = (): Apps => this.#apps;
    this.#parts = parts;
    this.#usages = new Usages(parts.kernel, parts.log);
    this.#listening = new ListenEvents({ kernel, log, home: parts.home });
    this.#sockets = new Sockets({
      kernel,
      apps,
      replicaOf: (pid) => this.#apps.replicaOf(pid),
    });
    this.#endpoints = new Endpoints({
      apps,
      collect: (names) => this.metrics({ apps: names }),
      log,
    });
    this.#verbs = new AppVerbs({
      kernel,
      apps: this.#apps,
      sockets: this.#sockets,
      makeApp: (stored) => this.#makeApp(stored),
      endpoints: this.#endpoints,
      log,
    });
    this.#refusing = new Refusing({ kernel, log });
    this.#memory = new MemoryWatch({
      kernel,
      services: () => [...this.#apps].flatMap(({ services }) => [...services.values()]),
      log,
    });
    this.#alerts = new Alerts({ home: parts.home, apps, events: this.#events, log });
    this.#watches = new Watches({ commands: this.#commands, log });
    this.#deploys = new UnfinishedDeploys(kernel, parts.home, log);
    this.#schedules = new Schedules({
      commands: this.#commands,
      note: (app, service, text) => this.#events.note(app, service, text),
      log,
    });
    this.#reconciler = new Reconciler({
      kernel,
      refusing: this.#refusing,
      sockets: this.#sockets,
      apps,
      serviceOf: (run) => this.#apps.find(run),
      log,
    });
  }

  /** Reads the state of an earlier supervisor from the kernel, and continues from it. */
  async open(): Promise<void> {
    const { kernel, log } = this.#parts;
    const { lastEvent, recovery } = await kernel.status();
    const runs = await findRuns(this.#parts.kernel);
    const lastRun = Math.max(0, ...runs.map(({ run }) => run.run));
    for (const { name, value } of await kernel.values.list(appValueName("*"))) {
      try {
        this.#apps.add(this.#makeApp(parseStoredApp(value, lastRun)));
      } catch (error) {
        // One app that cannot be read must not keep the others from running.
        log(`The stored app ${name} is left out: ${messageOf(error)}`);
      }
    }
    await this.#reconciler.makeSockets();
    await this.#listening.adoptAll(this.#apps, runs);
    const rebooted = recovery.after === "reboot";
    for (const app of this.#apps)
      for (const service of app.services.values())
        service.reconcile(
          runs.filter(({ run }) => this.#apps.find(run).service === service),
          rebooted,
        );
    void this.#follow(lastEvent);
    this.#holdSockets();
    for (const app of this.#apps) if (app.ending) this.#verbs.finishDown(app);
    void this.#endpoints.settle();
    void this.#deploys.check();
    this.#alerts.open();
  }

  /** Releases everything; services keep running. */
  close(): void {
    this.#abort.abort();
    this.#reconciler.close();
    this.#refusing.close();
    this.#memory.close();
    this.#watches.close();
    this.#schedules.close();
    this.#alerts.close();
    this.#endpoints.close();
    for (const app of this.#apps) for (const service of app.services.values()) service.close();
  }

  /** Whether a client ever asked, or there is anything to supervise. */
  get used(): boolean {
    return this.#greeted || this.#apps.size > 0;
  }

  async hello(): Promise<Hello> {
    this.#greeted = true;
    const { home, version } = this.#parts;
    const apps = [...this.#apps].map(({ name }) => name);
    const { failedUps } = this.#verbs;
    return { pid: process.pid, version, home: home.directory, apps, failedUps };
  }

  async apps(): Promise<readonly AppView[]> {
    return [...this.#apps].map(({ name, config: { file, profiles } }) => ({
      name,
      file,
      ...(profiles === undefined ? {} : { profiles }),
    }));
  }

  async pending(config: ResolvedConfig): Promise<readonly string[]> {
    const running = this.#apps.get(config.name)?.config;
    return running === undefined ? [] : pendingChanges(config, running);
  }

  async plan(given: ResolvedConfig, options: { readonly move?: boolean } = {}): Promise<UpPlan> {
    const app = this.#apps.appFor(given);
    const { config, move } = admitted(given, app, options);
    const { changes } = await planUpOf(config, app, this.#sockets);
    return describePlan(changes, move);
  }

  up(given: ResolvedConfig, options: UpOptions): AsyncIterable<Progress> {
    return progressOf(async (report) => {
      const prepared = Promise.withResolvers<boolean>();
      this.#underWay += 1;
      const done = this.#verbs
        .up(given, options, report, () => prepared.resolve(true))
        .finally(() => (this.#underWay -= 1));
      if (options.wait) return done;
      done.catch((error: unknown) => this.#parts.log(`up ${given.name}: ${messageOf(error)}`));
      return Promise.race([prepared.promise, done]);
    });
  }

  down(name: string | undefined, { now = false }: { now?: boolean } = {}): AsyncIterable<Progress> {
    return progressOf(async (report) => {
      const apps = [...this.#apps].filter((app) => name === undefined || app.name === name);
      const results = await Promise.allSettled(
        apps.map((app) => this.#verbs.down(app, report, now)),
      );
      for (const result of results) if (result.status === "rejected") throw result.reason;
      if (name !== undefined && apps.length === 0) await this.#verbs.forgetRuns(name);
      return apps.length > 0;
    });
  }

  start(target: Target): AsyncIterable<Progress> {
    return this.#each(target, { kind: "start" });
  }

  stop(target: Target, { now = false }: { now?: boolean } = {}): AsyncIterable<Progress> {
    return this.#each(target, { kind: "stop", now });
  }

  restart(target: Target): AsyncIterable<Progress> {
    return this.#each(target, { kind: "restart" });
  }

  reload(target: Target): AsyncIterable<Progress> {
    return this.#each(target, { kind: "reload" });
  }

  scale(requests: readonly ScaleRequest[], preferred: string | undefined): AsyncIterable<Progress> {
    return progressOf(async (report) => {
      const app = preferred === undefined ? {} : { app: preferred };
      const targets = requests.flatMap((request) =>
        this.#find({ names: [request.service], ...app }).map((found) => ({ found, request })),
      );
      return this.#commands.scale(targets, report);
    });
  }

  async list(target: Target): Promise<readonly ServiceView[]> {
    const found = findServices(this.#apps.byName, target, "every app");
    const trees = await this.#usages.look(found);
    return found.map(({ app, service }) => viewService(app, service, trees, this.#views));
  }

  async show(target: Target): Promise<readonly ServiceDetail[]> {
    const found = findServices(this.#apps.byName, target, "every app");
    const trees = await this.#usages.look(found);
    return Promise.all(
      found.map(({ app, service }) => viewDetail(app, service, trees, this.#views)),
    );
  }

  async signal(
    target: Target,
    signal: string,
    group: boolean,
  ): Promise<readonly { readonly pid: number; readonly command: string }[]> {
    return signalReplicas(this.#find(target), target.names, { signal, group });
  }

  events(): AsyncIterable<SupervisorEvent> {
    return this.#events.follow();
  }

  async metrics(
    options: { readonly apps?: readonly string[] } = {},
  ): Promise<readonly MetricFamily[]> {
    const unknown = options.apps?.find((name) => this.#apps.get(name) === undefined);
    if (unknown !== undefined)
      throw newelError("NEWEL_E_NOT_UP", { what: `No app has the name ${unknown}` });
    const { kernel, home, holder, version } = this.#parts;
    const { Collector: Loaded } = await import("./metrics/collect.ts");
    this.#collector ??= new Loaded({
      kernel,
      home,
      holder,
      version,
      apps: () => this.#apps,
      look: (found) => this.#usages.look(found),
      marks: this.#marks,
    });
    return this.#collector.collect(options.apps);
  }

  async quit(): Promise<boolean> {
    if (!this.#isIdle) return false;
    // After the answer has left; an `up` may have come by then.
    setTimeout(() => this.#isIdle && this.#parts.quit(), ANSWER_MS);
    return true;
  }

  get #isIdle(): boolean {
    return this.#apps.size === 0 && this.#underWay === 0;
  }

  async upgrade(build: SupervisorBuild): Promise<void> {
    await this.#verbs.pause();
    for (const app of this.#apps) await app.save();
    // After the answer has left.
    setTimeout(() => this.#parts.upgrade(build), ANSWER_MS);
  }

  get #views(): ViewParts {
    return { listening: this.#listening, schedules: this.#schedules };
  }

  /** One command for all services of a target. */
  #each(target: Target, command: Command): AsyncIterable<Progress> {
    return progressOf((report) => this.#commands.verb(this.#find(target), target, command, report));
  }

  #find(target: Target): Found[] {
    return findServices(this.#apps.byName, target);
  }

  #makeApp(stored: StoredApp): App {
    const { kernel, home, log } = this.#parts;
    const app: App = new App(stored, {
      kernel: withSockets(this.#listening.wrap(kernel), (names) =>
        this.#sockets.provide(app, names),
      ),
      home,
      log,
      changed: (app, service) => {
        this.#events.record(app, service);
        this.#refusing.check(app);
        this.#watches.check(app, service);
        this.#schedules.check(app, service);
        this.#alerts.check(app, service);
        if (!this.#apps.has(app)) return;
        app
          .saveFacts()
          .catch((error: unknown) => log(`saving ended replicas: ${messageOf(error)}`));
      },
    });
    return app;
  }

  async #follow(since: number): Promise<void> {
    const events = this.#parts.kernel.events({ since, signal: this.#abort.signal });
    try {
      for await (const event of events) this.#hear(event);
    } catch (error) {
      this.#parts.log(`The kernel's events ended: ${messageOf(error)}`);
    }
  }

  /** Reads from this kernel and every later one; a later kernel may know less than the one before. */
  #holdSockets(): void {
    const { kernel, home, holder, log } = this.#parts;
    const { signal } = this.#abort;
    const sent = (): void => {
      holder.receive();
      void this.#reconciler.run();
    };
    kernel.sockets
      .hold(home.supervisorHolder, { signal, sent })
      .catch((error: unknown) => log(`The kernel's sockets are not held: ${messageOf(error)}`));
  }

  #hearDeploy(app: string, event: KernelEvent): void {
    if (event.type === "ended") void this.#deploys.check(app);
    const mark = event.type === "status" ? this.#marks.hear(app, event.status ?? "") : undefined;
    if (mark !== undefined) this.#events.add(mark);
  }

  #hear(event: KernelEvent): void {
    if (event.noun === "socket") this.#parts.holder.receiveSoon();
    if (event.noun !== "process") return;
    const deployed = deployedApp(event.name);
    if (deployed !== undefined) this.#hearDeploy(deployed, event);
    const run = parseRunName(event.name);
    if (run === undefined) return;
    const { app, service } = this.#apps.find(run);
    if (event.type === "ended") this.#listening.ended(event.name);
    if (event.type === "listen" && app !== undefined && service !== undefined)
      this.#listening.hear(event, app, service);
    service?.hear(event, run);
  }
}
