import { existsSync } from "node:fs";

import { messageOf, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import type { KernelEvent } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type {
  AppView,
  Hello,
  Progress,
  ScaleRequest,
  ServiceDetail,
  ServiceView,
  SupervisorApi,
  SupervisorEvent,
  Target,
  UpOptions,
  UpPlan,
} from "./api.ts";
import { App, parseStoredApp } from "./app.ts";
import { bringUp, takeDown } from "./bring-up.ts";
import type { ResolvedConfig } from "./config/resolved.ts";
import { type Admitted, admit, describeMove, pendingChanges } from "./config/running.ts";
import type { Command } from "./machine/types.ts";
import { describePlan, planUp } from "./plan.ts";
import { appValueName, parseRunName, type RunName } from "./process-names.ts";
import { progressOf, type Report } from "./progress.ts";
import type { Service } from "./service.ts";
import type { SocketHolder } from "./socket-holder.ts";
import { findServices, type Found } from "./targets.ts";
import { UsageMeter } from "./usage.ts";
import { viewDetail, viewService } from "./views.ts";

export interface SupervisorParts {
  readonly kernel: KernelClient;
  readonly home: Home;
  readonly version: string;
  /** Keeps copies of the kernel's sockets. */
  readonly holder: SocketHolder;
  readonly log: (text: string) => void;
  /** Ends the daemon; services run on. */
  readonly quit: () => void;
}

const EVENTS_KEPT = 1_000;

/** Every app of a home. It holds no process and no socket itself: the kernel does. */
export class Supervisor implements SupervisorApi {
  readonly #parts: SupervisorParts;
  readonly #apps = new Map<string, App>();
  readonly #meter = new UsageMeter();
  readonly #events: SupervisorEvent[] = [];
  readonly #eventWaiters = new Set<() => void>();
  readonly #abort = new AbortController();
  readonly #shown = new Map<Service, string>();
  #seq = 0;
  #greeted = false;
  #saving: Promise<void> = Promise.resolve();

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
  }

  /** Finds what an earlier supervisor left, through the kernel, and goes on from there. */
  async open(): Promise<void> {
    const { kernel } = this.#parts;
    const { lastEvent, recovery } = await kernel.status();
    const processes = await kernel.processes.list();
    const runs = processes.flatMap((info) => {
      const run = parseRunName(info.name);
      return run === undefined ? [] : [{ run, info }];
    });
    runs.sort((a, b) => a.run.run - b.run.run);
    for (const { value } of await kernel.values.list(appValueName("*"))) {
      const stored = parseStoredApp(value, Math.max(0, ...runs.map(({ run }) => run.run)));
      this.#apps.set(stored.config.name, this.#makeApp(stored));
    }
    const rebooted = recovery.after === "reboot";
    for (const app of this.#apps.values())
      for (const service of app.services.values())
        service.reconcile(
          runs.filter(({ run }) => this.#serviceOf(run) === service),
          rebooted,
        );
    void this.#follow(lastEvent);
    this.#holdSockets();
  }

  /** Lets go of everything; services run on. */
  close(): void {
    this.#abort.abort();
    for (const app of this.#apps.values())
      for (const service of app.services.values()) service.close();
    for (const wake of this.#eventWaiters) wake();
  }

  /** Whether anybody ever asked, or there is anything to supervise. */
  get used(): boolean {
    return this.#greeted || this.#apps.size > 0;
  }

  async hello(): Promise<Hello> {
    this.#greeted = true;
    const { home, version } = this.#parts;
    return { pid: process.pid, version, home: home.directory, apps: [...this.#apps.keys()] };
  }

  async apps(): Promise<readonly AppView[]> {
    return [...this.#apps.values()].map(({ name, config: { file } }) => ({ name, file }));
  }

  async pending(config: ResolvedConfig): Promise<readonly string[]> {
    const running = this.#apps.get(config.name)?.config;
    return running === undefined ? [] : pendingChanges(config, running);
  }

  async plan(given: ResolvedConfig, options: { readonly move?: boolean } = {}): Promise<UpPlan> {
    const { config, move } = this.#admit(given, options);
    return describePlan(planUp(config, this.#present(config.name)), move);
  }

  up(given: ResolvedConfig, options: UpOptions): AsyncIterable<Progress> {
    return progressOf(async (report) => {
      const { config, move } = this.#admit(given, options);
      if (move !== undefined)
        report({ type: "note", text: `${config.name} ${describeMove(move)}` });
      const changes = planUp(config, this.#present(config.name));
      const app = this.#apps.get(config.name) ?? this.#makeNewApp(config);
      app.configure(config);
      await app.makeSockets();
      const done = bringUp(app, changes, report).then(async (changed) => {
        await app.removeSockets(config.sockets);
        return changed;
      });
      await this.#save();
      if (options.wait) return done;
      done.catch((error: unknown) => this.#parts.log(`up ${app.name}: ${messageOf(error)}`));
      return true;
    });
  }

  down(name: string | undefined): AsyncIterable<Progress> {
    return progressOf(async (report) => {
      const apps = [...this.#apps.values()].filter(
        (app) => name === undefined || app.name === name,
      );
      if (name !== undefined && apps.length === 0) return false;
      for (const app of apps) {
        await takeDown(app, report);
        this.#apps.delete(app.name);
        await app.erase();
      }
      return apps.length > 0;
    });
  }

  start(target: Target): AsyncIterable<Progress> {
    return this.#each(target, { kind: "start" });
  }

  stop(target: Target): AsyncIterable<Progress> {
    return this.#each(target, { kind: "stop", now: false });
  }

  restart(target: Target): AsyncIterable<Progress> {
    return this.#each(target, { kind: "restart" });
  }

  reload(target: Target): AsyncIterable<Progress> {
    return this.#each(target, { kind: "reload" });
  }

  scale(requests: readonly ScaleRequest[], app: string | undefined): AsyncIterable<Progress> {
    return progressOf(async (report) => {
      const targets = requests.map((request) => {
        const [found] = findServices(this.#apps, {
          names: [request.service],
          ...(app === undefined ? {} : { app }),
        });
        if (found === undefined)
          throw newelError("NEWEL_E_NO_SERVICE", { name: request.service, hint: "" });
        return { found, request };
      });
      const results = await Promise.all(
        targets.map(({ found: { service }, request: { replicas, relative } }) =>
          this.#operate(service, { kind: "scale", replicas, relative }, report),
        ),
      );
      return results.includes(true);
    });
  }

  async list(target: Target): Promise<readonly ServiceView[]> {
    return this.#find(target).map(({ app, service }) => viewService(app, service, this.#meter));
  }

  async show(target: Target): Promise<readonly ServiceDetail[]> {
    return Promise.all(
      this.#find(target).map(({ app, service }) => viewDetail(app, service, this.#meter)),
    );
  }

  async signal(
    target: Target,
    signal: string,
    group: boolean,
  ): Promise<readonly { readonly pid: number; readonly command: string }[]> {
    const replicas = this.#find(target).flatMap(({ service }) => [...service.replicas]);
    const named = new Set(
      target.names.filter((name) => replicas.some((replica) => replica.name === name)),
    );
    const chosen = named.size === 0 ? replicas : replicas.filter(({ name }) => named.has(name));
    return (await Promise.all(chosen.map((replica) => replica.signal(signal, group)))).flat();
  }

  async *events(): AsyncIterable<SupervisorEvent> {
    let seen = this.#seq;
    while (!this.#abort.signal.aborted) {
      const news = this.#events.filter(({ seq }) => seq > seen);
      for (const event of news) {
        seen = event.seq;
        yield event;
      }
      if (news.length === 0) await new Promise<void>((resolve) => this.#eventWaiters.add(resolve));
    }
  }

  async quit(): Promise<void> {
    await this.#save();
    // After the answer has left.
    setTimeout(this.#parts.quit, 50);
  }

  /** One command for all services of a target, at the same time. */
  #each(target: Target, command: Command): AsyncIterable<Progress> {
    return progressOf(async (report) => {
      const found = this.#find(target);
      const results = await Promise.all(
        found.map(({ service }) => this.#operate(service, command, report)),
      );
      return results.includes(true);
    });
  }

  async #operate(service: Service, command: Command, report: Report): Promise<boolean> {
    try {
      return await service.command(command, report);
    } catch (error) {
      await service.reportFailure(error, report);
      return true;
    } finally {
      await this.#save();
    }
  }

  #admit(given: ResolvedConfig, { move = false }: { readonly move?: boolean }): Admitted {
    return admit(given, this.#apps.get(given.name)?.config, { move, isThere: existsSync });
  }

  #find(target: Target): Found[] {
    return findServices(this.#apps, target);
  }

  #present(app: string): ReadonlyMap<string, ReturnType<Service["present"]>> {
    const services = this.#apps.get(app)?.services ?? new Map<string, Service>();
    return new Map([...services].map(([name, service]) => [name, service.present()]));
  }

  #makeApp(stored: ConstructorParameters<typeof App>[0]): App {
    const { kernel, home, log } = this.#parts;
    return new App(stored, {
      kernel,
      home,
      log,
      changed: (app, service) => this.#changed(app, service),
    });
  }

  #makeNewApp(config: ResolvedConfig): App {
    const app = this.#makeApp({ config, wanted: {}, nextRun: 1 });
    for (const service of app.services.values()) service.reconcile([], false);
    this.#apps.set(app.name, app);
    return app;
  }

  #serviceOf(run: RunName): Service | undefined {
    return this.#apps.get(run.app)?.services.get(run.service);
  }

  /** Every change is written down before the next is begun, so that a successor knows of all. */
  #save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      for (const app of this.#apps.values()) await app.save();
    });
    return this.#saving;
  }

  async #follow(since: number): Promise<void> {
    const events = this.#parts.kernel.events({ since, signal: this.#abort.signal });
    try {
      for await (const event of events) this.#hear(event);
    } catch (error) {
      this.#parts.log(`The kernel's events ended: ${messageOf(error)}`);
    }
  }

  /** From this kernel and every one that follows it. */
  #holdSockets(): void {
    const { kernel, home, holder, log } = this.#parts;
    const { signal } = this.#abort;
    const sent = (): void => holder.receive();
    kernel.sockets
      .hold(home.supervisorHolder, { signal, sent })
      .catch((error: unknown) => log(`The kernel's sockets are not held: ${messageOf(error)}`));
  }

  #hear(event: KernelEvent): void {
    if (event.noun === "socket") this.#parts.holder.receiveSoon();
    if (event.noun !== "process") return;
    const run = parseRunName(event.name);
    if (run !== undefined) this.#serviceOf(run)?.hear(event, run);
  }

  #changed(app: App, service: Service): void {
    const ready = service.readyCount >= service.wanted.replicas && service.wanted.up;
    const shown = `${service.state} ${ready} ${service.why ?? ""}`;
    if (this.#shown.get(service) === shown) return;
    this.#shown.set(service, shown);
    this.#seq += 1;
    this.#events.push({
      seq: this.#seq,
      timeMs: Date.now(),
      app: app.name,
      service: service.name,
      state: service.state,
      ready,
      ...(service.why === undefined ? {} : { why: service.why }),
    });
    this.#events.splice(0, this.#events.length - EVENTS_KEPT);
    for (const wake of this.#eventWaiters) wake();
    this.#eventWaiters.clear();
  }
}
