import { newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import {
  parseResolvedConfig,
  type ResolvedConfig,
  type ResolvedService,
} from "./config/resolved.ts";
import { type Completed, parseCompleted } from "./ended-runs.ts";
import { groupOf } from "./listening.ts";
import { nameSockets } from "./plan-sockets.ts";
import { appValueName, type RunName, socketName } from "./process-names.ts";
import type { FoundProcess } from "./found-process.ts";
import type { Replica } from "./replica.ts";
import { Service, type ServiceParts, type ServicePast } from "./service.ts";
import { SharedWrite } from "./shared-write.ts";
import { exitsToStore, parseExits, type StoredExits, urgentExits } from "./stored-exits.ts";
import { VerbLock } from "./verb-lock.ts";

/** A service's desired state. */
export interface Wanted {
  readonly up: boolean;
  readonly replicas: number;
}

/** A name that an app had before; its processes of that time keep it. */
export interface FormerName {
  readonly name: string;
  /** Runs below this number belong to this app, the others to a later app of that name. */
  readonly before: number;
}

/** The state of an app that the kernel stores for the next supervisor. */
export interface StoredApp {
  readonly config: ResolvedConfig;
  readonly wanted: Readonly<Record<string, Wanted>>;
  readonly nextRun: number;
  readonly formerNames?: readonly FormerName[];
  /**
   * The completed replicas by service. They are stored here, because the kernel removes ended processes after
   * some time and at a reboot.
   */
  readonly completed?: Readonly<Record<string, readonly Completed[]>>;
  /** By service: every time of its schedule up to this one is settled. */
  readonly settled?: Readonly<Record<string, number>>;
  /** By service. */
  readonly exits?: StoredExits;
  /** A first `up` or a `down` was under way: the next supervisor ends the rest of the app. */
  readonly ending?: boolean;
}

/** The dependencies of an app. */
export interface AppParts {
  readonly kernel: KernelClient;
  readonly home: Home;
  readonly changed: (app: App, service: Service) => void;
  readonly log: (text: string) => void;
}

/**
 * One configuration: its services, its sockets, and their desired state. The committed configuration is
 * the one that a next supervisor brings back; an `up` under way works towards another one.
 */
export class App {
  /** The committed configuration. */
  config: ResolvedConfig;
  /** The configuration that an `up` under way applies. */
  coming: ResolvedConfig | undefined;
  ending: boolean;
  /** A `down` was requested: a running `up` ends without restoring the former state. */
  goingDown = false;
  /** The services for which a `stop` was requested during the running `up`. */
  readonly stopped: Set<string> = new Set();
  readonly services: Map<string, Service> = new Map();
  readonly lock: VerbLock = new VerbLock();
  /** Why sockets of the configuration could not be made, by their kernel names. */
  readonly socketErrors: Map<string, Error> = new Map();
  /** By service with a schedule: every time up to this one is settled, by the wall clock. */
  readonly settled: Map<string, number>;
  readonly #parts: AppParts;
  #formerNames: readonly FormerName[];
  #nextRun: number;
  /** The desired states of before an `up` under way. */
  #committed: Readonly<Record<string, Wanted>> | undefined;
  /** Desired states that commands under way bring about. */
  readonly #underWay = new Map<string, Wanted>();
  readonly #writing = new SharedWrite(() => this.#write());
  #saved = "";
  #savedFacts: string;

  constructor(stored: StoredApp, parts: AppParts) {
    // Earlier versions stored no names of the kernel.
    this.config = nameSockets(stored.config);
    this.ending = stored.ending === true;
    this.#formerNames = stored.formerNames ?? [];
    this.#nextRun = stored.nextRun;
    this.#parts = parts;
    this.settled = new Map(Object.entries(stored.settled ?? {}));
    for (const spec of this.config.services) {
      const wanted = stored.wanted[spec.name] ?? { up: false, replicas: spec.replicas };
      if (!spec.enabled) continue;
      const { completed, exits } = stored;
      this.#make(spec, wanted, {
        completed: completed?.[spec.name] ?? [],
        exits: exits?.[spec.name] ?? [],
      });
    }
    this.#savedFacts = JSON.stringify([stored.completed ?? {}, urgentExits(this.services)]);
  }

  get name(): string {
    return this.config.name;
  }

  /** Whether a run was started when this app had another name. */
  hadName({ app, run }: RunName): boolean {
    if (app === this.coming?.name) return true;
    return this.#formerNames.some(({ name, before }) => name === app && run < before);
  }

  /** The number of the first run that a later app of a name may have. */
  runsOf(name: string): number {
    return Math.max(
      0,
      ...this.#formerNames.filter((former) => former.name === name).map(({ before }) => before),
      name === this.name ? this.#nextRun : 0,
    );
  }

  /** Every socket name of the kernel that the app uses now. */
  get socketNames(): ReadonlySet<string> {
    const configs = this.coming === undefined ? [this.config] : [this.config, this.coming];
    return new Set(
      configs.flatMap(({ sockets }) => sockets.map((socket) => socketName(this.name, socket))),
    );
  }

  /** From now on until {@link commit} or {@link abandon}, the state of this moment is saved. */
  begin(coming: ResolvedConfig): void {
    this.coming = coming;
    this.stopped.clear();
    this.#committed = this.#wanted();
  }

  /**
   * Makes the applied configuration the one that the next supervisor brings back, under its name.
   *
   * @throws NEWEL_E_DISK_FULL and others of the kernel: the former one stays
   */
  async commit(config: ResolvedConfig): Promise<void> {
    const { config: former, ending } = this;
    const before = { names: this.#formerNames, committed: this.#committed };
    const isRenamed = config.name !== former.name;
    if (isRenamed) {
      const others = before.names.filter(
        ({ name }) => name !== config.name && name !== former.name,
      );
      this.#formerNames = [...others, { name: former.name, before: this.#nextRun }];
    }
    this.config = config;
    this.ending = false;
    this.#committed = undefined;
    try {
      await this.save();
    } catch (error) {
      this.config = former;
      this.ending = ending;
      this.#formerNames = before.names;
      this.#committed = before.committed;
      throw error;
    }
    this.coming = undefined;
    if (isRenamed) await this.#parts.kernel.values.set(appValueName(former.name), undefined);
  }

  abandon(): void {
    this.coming = undefined;
    this.#committed = undefined;
  }

  /** Removes the stored state of the app from the kernel. */
  async erase(): Promise<void> {
    for (const service of this.services.values()) {
      this.forget(service);
      service.forgetRuns();
    }
    await this.#parts.kernel.values.set(appValueName(this.name), undefined);
    this.#saved = "";
  }

  /**
   * A service of which nothing runs yet.
   *
   * @param ended - its runs of before, whose output is still there
   */
  add(spec: ResolvedService, ended: readonly FoundProcess[]): Service {
    const service = this.#make(spec, { up: false, replicas: spec.replicas });
    service.reconcile(ended, false);
    return service;
  }

  #make(spec: ResolvedService, wanted: Wanted, past?: ServicePast): Service {
    const name = (): string => this.coming?.name ?? this.name;
    const parts: ServiceParts = {
      kernel: this.#parts.kernel,
      home: this.#parts.home,
      log: this.#parts.log,
      // Read at each start: the app may be renamed.
      get app() {
        return name();
      },
      nextRun: () => this.#takeRun(),
      changed: (service) => this.#parts.changed(this, service),
      isServed: (socket, except) => this.#isServed(socket, except),
    };
    const service = new Service(spec, wanted, parts, past);
    this.services.set(spec.name, service);
    return service;
  }

  #isServed(socket: string, except: Replica): boolean {
    const replicas = [...this.services.values()].flatMap((service) => service.replicas);
    return replicas.some(
      (replica) =>
        replica !== except &&
        replica.state !== "stopping" &&
        replica.spec.listen.some((each) => {
          const name = socketName(replica.run.app, each);
          return name === socket || name === groupOf(socket);
        }),
    );
  }

  /** Removes a service; the output of its generations stays in the kernel. */
  forget(service: Service): void {
    service.close();
    this.services.delete(service.name);
  }

  /**
   * Stores the state for the next supervisor; writes nothing when it has not changed.
   *
   * @throws NEWEL_E_DISK_FULL and others of the kernel: nothing was written
   */
  save(): Promise<void> {
    return this.#writing.run();
  }

  /**
   * Saves once which replicas have completed and which ones newel has ended by its own decision, when that has
   * changed: a next supervisor cannot learn it from the kernel.
   *
   * @throws as {@link save}
   */
  async saveFacts(): Promise<void> {
    const text = JSON.stringify([this.#completed(), urgentExits(this.services)]);
    if (text === this.#savedFacts || this.ending || this.goingDown) return;
    this.#savedFacts = text;
    try {
      await this.save();
    } catch (error) {
      this.#savedFacts = "";
      throw error;
    }
  }

  /**
   * Writes down another desired state of one service, then acts upon it. Until that is done, it is part of all
   * that is saved: commands of other services at the same time must not write the former state again.
   *
   * @throws NEWEL_E_DISK_FULL and others of the kernel: nothing was written, nothing is done
   */
  async want<T>(service: string, wanted: Wanted, act: () => Promise<T>): Promise<T> {
    this.#underWay.set(service, wanted);
    try {
      await this.save();
      // A service that is started again is not going down any more.
      if (wanted.up) this.ending = false;
      return await act();
    } finally {
      if (this.#underWay.get(service) === wanted) this.#underWay.delete(service);
    }
  }

  /** Writes the state again where the kernel has lost it. */
  async saveAgain(): Promise<void> {
    const kept = await this.#parts.kernel.values.get(appValueName(this.name));
    if (kept !== this.#saved) this.#saved = "";
    await this.save();
  }

  async #write(): Promise<void> {
    const text = JSON.stringify(this.#stored());
    if (text === this.#saved) return;
    await this.#parts.kernel.values.set(appValueName(this.name), text);
    this.#saved = text;
  }

  #stored(): StoredApp {
    const { coming, name } = this;
    // Processes that a rename under way has started are this app's, should this supervisor die now.
    const formerNames =
      coming === undefined || coming.name === name
        ? this.#formerNames
        : [...this.#formerNames, { name: coming.name, before: Number.MAX_SAFE_INTEGER }];
    const starts = [...this.#underWay.values()].some(({ up }) => up);
    return {
      // A next supervisor ends the processes of a first `up` as their own settings say.
      config: this.ending && coming !== undefined ? coming : this.config,
      wanted: { ...(this.#committed ?? this.#wanted()), ...Object.fromEntries(this.#underWay) },
      nextRun: this.#nextRun,
      ...(formerNames.length === 0 ? {} : { formerNames }),
      completed: this.#completed(),
      ...(this.settled.size === 0 ? {} : { settled: Object.fromEntries(this.settled) }),
      exits: exitsToStore(this.services),
      ...(this.ending && !starts ? { ending: true } : {}),
    };
  }

  #wanted(): Record<string, Wanted> {
    return Object.fromEntries(
      [...this.services].map(([name, { wanted }]) => [
        name,
        { up: wanted.up, replicas: wanted.replicas },
      ]),
    );
  }

  #completed(): Record<string, readonly Completed[]> {
    return Object.fromEntries(
      [...this.services].flatMap(([name, { completedRuns }]) =>
        completedRuns.length === 0 ? [] : [[name, completedRuns]],
      ),
    );
  }

  #takeRun(): number {
    const run = this.#nextRun;
    this.#nextRun += 1;
    return run;
  }
}

/**
 * Reads the state that {@link App.save} wrote.
 *
 * @param runsSeen - the highest run number of the kernel's list: the count continues above it
 * @throws NEWEL_E_CONFIG_STORED when the value is not a stored app
 */
export function parseStoredApp(text: string, runsSeen: number): StoredApp {
  const value: unknown = parseJson(text);
  if (typeof value !== "object" || value === null || !("config" in value)) {
    throw newelError("NEWEL_E_CONFIG_STORED", { why: "it has no configuration" });
  }
  const stored: { config: unknown; wanted?: unknown; nextRun?: unknown; ending?: unknown } = value;
  const wanted: Record<string, Wanted> = {};
  for (const [name, entry] of Object.entries(stored.wanted ?? {})) {
    const { up, replicas }: { up?: unknown; replicas?: unknown } = Object(entry);
    wanted[name] = { up: up === true, replicas: typeof replicas === "number" ? replicas : 0 };
  }
  const nextRun = typeof stored.nextRun === "number" ? stored.nextRun : 1;
  return {
    config: parseResolvedConfig(stored.config),
    wanted,
    nextRun: Math.max(nextRun, runsSeen + 1),
    formerNames: parseFormerNames("formerNames" in value ? value.formerNames : undefined),
    completed: parseCompleted("completed" in value ? value.completed : undefined),
    settled: parseSettled("settled" in value ? value.settled : undefined),
    exits: parseExits("exits" in value ? value.exits : undefined),
    ending: stored.ending === true,
  };
}

function parseFormerNames(value: unknown): readonly FormerName[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => {
    const { name, before }: { name?: unknown; before?: unknown } = Object(entry);
    return typeof name === "string" && typeof before === "number" ? [{ name, before }] : [];
  });
}

function parseSettled(value: unknown): Record<string, number> {
  return Object.fromEntries(
    Object.entries(Object(value)).filter(
      (entry): entry is [string, number] => typeof entry[1] === "number",
    ),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw newelError("NEWEL_E_CONFIG_STORED", { why: "it is not JSON" });
  }
}
