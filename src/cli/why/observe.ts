import type { ProcessInfo } from "../../kernel/process-api.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import type { ProcessView, ServiceDetail, ServiceView } from "../../supervisor/api.ts";
import { parseStoredApp, type StoredApp } from "../../supervisor/app.ts";
import { appValueName, parseRunName, shownName } from "../../supervisor/process-names.ts";
import { messageOf } from "../../base/errors.ts";
import type { Dependency, Observed } from "./types.ts";

/** The apps and processes that the kernel holds. */
export interface Held {
  readonly apps: ReadonlyMap<string, StoredApp>;
  readonly processes: readonly ProcessInfo[];
  /** Stored apps that cannot be read. */
  readonly problems: readonly string[];
}

/** Reads the apps and processes of a kernel, or of the journal while none runs. */
export async function readHeld(
  kernel: KernelClient | undefined,
  stored: () => ReadonlyMap<string, string>,
): Promise<Held> {
  const prefix = appValueName("");
  const texts =
    kernel === undefined
      ? [...stored()]
      : (await kernel.values.list(appValueName("*"))).map(
          ({ name, value }) => [name.slice(prefix.length), value] as const,
        );
  const processes = kernel === undefined ? [] : await kernel.processes.list();
  const apps = new Map<string, StoredApp>();
  const problems: string[] = [];
  for (const [name, text] of texts) {
    try {
      apps.set(name, parseStoredApp(text, 0));
    } catch (error) {
      problems.push(`The stored app ${name} cannot be read: ${messageOf(error)}`);
    }
  }
  return { apps, processes, problems };
}

/** A service as its supervisor reports it. */
export function observeSupervised(
  view: ServiceView | ServiceDetail,
  all: readonly ServiceView[],
  held: Held,
): Observed {
  const { app, name, wanted, state, ready, replicas, sinceMs, restarts, why, processes } = view;
  const stored = held.apps.get(app);
  const spec = stored?.config.services.find((each) => each.name === name);
  const states = new Map(
    all.filter((each) => each.app === app).map((each) => [each.name, each] as const),
  );
  return {
    app,
    service: name,
    file: "file" in view ? view.file : (stored?.config.file ?? ""),
    ...(spec === undefined ? {} : { spec }),
    supervised: true,
    wanted,
    state,
    ready,
    replicas,
    sinceMs,
    restarts,
    ...(view.scheduled?.does === "run" ? { nextRunMs: view.scheduled.nextMs } : {}),
    ...(why === undefined ? {} : { why }),
    processes,
    exits: "lastExits" in view ? view.lastExits : [],
    runs: runsOf(app, name, held),
    dependencies: Object.entries(spec?.dependsOn ?? {}).map(([other, condition]): Dependency => {
      const found = states.get(other);
      const isMet = found !== undefined && meets(found, condition);
      return { name: other, condition, state: found?.state ?? "stopped", isMet };
    }),
  };
}

function meets({ state, ready, replicas }: ServiceView, condition: string): boolean {
  if (state === "completed") return true;
  if (condition === "completed") return false;
  if (condition === "started") return state === "running" || state === "starting";
  return state === "running" && ready >= Math.min(1, replicas);
}

/** Every service of the stored apps as the kernel's processes show it, while no supervisor runs. */
export function observeUnsupervised(held: Held): Observed[] {
  return [...held.apps].flatMap(([app, { config, wanted, exits }]) =>
    config.services
      .filter(({ enabled }) => enabled)
      .map((spec): Observed => {
        const { up = false, replicas = spec.replicas } = wanted[spec.name] ?? {};
        const runs = runsOf(app, spec.name, held);
        const living = runs.filter(({ running }) => running);
        const processes = [
          ...living.map(livingView),
          ...missingViews(spec.name, replicas - living.length, runs),
        ];
        return {
          app,
          service: spec.name,
          file: config.file,
          spec,
          supervised: false,
          wanted: up ? "up" : "down",
          state: stateOf(living, replicas, processes),
          ready: living.length,
          replicas,
          restarts: 0,
          processes,
          exits: exits?.[spec.name] ?? [],
          runs,
          dependencies: [],
        };
      }),
  );
}

function stateOf(
  living: readonly ProcessInfo[],
  replicas: number,
  processes: readonly ProcessView[],
): Observed["state"] {
  if (living.length > 0) return "running";
  const isDone = processes.filter(({ state }) => state === "completed").length >= replicas;
  return isDone && replicas > 0 ? "completed" : "stopped";
}

/** Without a supervisor no process is asked whether it is ready; one that runs counts as ready. */
function livingView(info: ProcessInfo): ProcessView {
  const run = parseRunName(info.name);
  const { pid, startedMs } = info;
  const name = run === undefined ? info.name : shownName(run);
  return { name, kernelName: info.name, pid, state: "running", ready: true, startedMs };
}

/** The replicas whose last generation has ended, as many as are missing. */
function missingViews(
  service: string,
  missing: number,
  runs: readonly ProcessInfo[],
): ProcessView[] {
  const living = new Set(runs.filter(({ running }) => running).map((info) => slotOf(info)));
  const views: ProcessView[] = [];
  for (const info of runs.toReversed()) {
    if (views.length >= missing) break;
    const slot = slotOf(info);
    if (info.running || living.has(slot)) continue;
    living.add(slot);
    const name = `${service}.${slot}`;
    const state = info.exitCode === 0 ? "completed" : "failed";
    views.push({ name, kernelName: info.name, state, ready: false });
  }
  return views;
}

function slotOf({ name }: ProcessInfo): number {
  return parseRunName(name)?.slot ?? 0;
}

/** The generations of a service that the kernel lists, oldest first. */
export function runsOf(app: string, service: string, { processes }: Held): readonly ProcessInfo[] {
  return processes
    .flatMap((info) => {
      const run = parseRunName(info.name);
      return run?.app === app && run.service === service ? [{ info, run: run.run }] : [];
    })
    .sort((a, b) => a.run - b.run)
    .map(({ info }) => info);
}
