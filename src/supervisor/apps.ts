import { newelError } from "../base/errors.ts";
import type { App } from "./app.ts";
import type { ResolvedConfig, ResolvedSocket } from "./config/resolved.ts";
import type { RunName } from "./process-names.ts";
import type { Service } from "./service.ts";
import type { OwnProcess } from "./sockets.ts";

/** Every app of a home, by its name. */
export class Apps implements Iterable<App> {
  readonly #byName = new Map<string, App>();

  get size(): number {
    return this.#byName.size;
  }

  get byName(): ReadonlyMap<string, App> {
    return this.#byName;
  }

  [Symbol.iterator](): MapIterator<App> {
    return this.#byName.values();
  }

  get(name: string): App | undefined {
    return this.#byName.get(name);
  }

  has(app: App): boolean {
    return this.#byName.get(app.name) === app;
  }

  add(app: App): void {
    this.#byName.set(app.name, app);
  }

  /** Removes an app, under its first or a later name. */
  remove(app: App): void {
    for (const [name, each] of this.#byName) if (each === app) this.#byName.delete(name);
  }

  /** The number from which the runs of a new app may count. */
  firstRun(name: string): number {
    return Math.max(1, ...[...this].map((app) => app.runsOf(name)));
  }

  /** The app and the service that a process of the kernel belongs to. */
  find(run: RunName): { app?: App; service?: Service } {
    const app = [...this].find((each) => each.hadName(run)) ?? this.#byName.get(run.app);
    const service = app?.services.get(run.service);
    return { ...(app === undefined ? {} : { app }), ...(service === undefined ? {} : { service }) };
  }

  replicaOf(pid: number): OwnProcess | undefined {
    for (const app of this)
      for (const service of app.services.values())
        for (const replica of service.replicas)
          if (replica.pid === pid)
            return { app: app.name, service: service.name, name: replica.name };
    return undefined;
  }

  /**
   * The app that a configuration is for: the one of its name, or the one that it renames. It renames an
   * app that runs from the same file and has one of its addresses.
   *
   * @throws NEWEL_E_APP_FILE_USED when it may be a rename, and the configuration does not decide it
   */
  appFor(config: ResolvedConfig): App | undefined {
    const app = this.#byName.get(config.name);
    if (app !== undefined) return app;
    const others = [...this].filter(({ config: { file } }) => file === config.file);
    const renamed = others.find((each) => shareAddress(each.config, config));
    if (renamed !== undefined) return renamed;
    const [former] = others.filter((each) => mayBeRenamed(each.config, config));
    if (former === undefined) return undefined;
    throw newelError("NEWEL_E_APP_FILE_USED", {
      file: config.file,
      app: config.name,
      former: former.name,
    });
  }
}

/** Services of the same name, of which at least one app's have no address that distinguishes two apps. */
function mayBeRenamed(a: ResolvedConfig, b: ResolvedConfig): boolean {
  const isShared = a.services.some(({ name }) => b.services.some((other) => other.name === name));
  return isShared && (a.sockets.length === 0 || b.sockets.length === 0);
}

function shareAddress(a: ResolvedConfig, b: ResolvedConfig): boolean {
  return a.sockets.some((socket) => b.sockets.some((other) => isSame(socket, other)));
}

function isSame(a: ResolvedSocket, b: ResolvedSocket): boolean {
  if (a.path !== undefined || b.path !== undefined) return a.path === b.path;
  return a.port !== 0 && a.port === b.port;
}
