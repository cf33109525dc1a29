import { hasCode, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import type { SocketRequest } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import {
  parseResolvedConfig,
  type ResolvedConfig,
  type ResolvedService,
  type ResolvedSocket,
} from "./config/resolved.ts";
import { appValueName, socketName } from "./process-names.ts";
import { Service, type ServiceParts } from "./service.ts";

/** What the kernel keeps of an app for the next supervisor. */
export interface StoredApp {
  readonly config: ResolvedConfig;
  readonly wanted: Readonly<Record<string, { readonly up: boolean; readonly replicas: number }>>;
  readonly nextRun: number;
}

/** What an app works with. */
export interface AppParts {
  readonly kernel: KernelClient;
  readonly home: Home;
  readonly changed: (app: App, service: Service) => void;
  readonly log: (text: string) => void;
}

/** One configuration: its services, its sockets, and what is wanted of them. */
export class App {
  config: ResolvedConfig;
  readonly services: Map<string, Service> = new Map();
  readonly #parts: AppParts;
  #nextRun: number;
  #saved = "";

  constructor(stored: StoredApp, parts: AppParts) {
    this.config = stored.config;
    this.#nextRun = stored.nextRun;
    this.#parts = parts;
    for (const spec of stored.config.services) {
      if (spec.enabled)
        this.#add(spec, stored.wanted[spec.name] ?? { up: false, replicas: spec.replicas });
    }
  }

  get name(): string {
    return this.config.name;
  }

  /** Takes over another configuration of the same app. Services that are gone stay until {@link forget}. */
  configure(config: ResolvedConfig): void {
    this.config = config;
    for (const spec of config.services) {
      if (this.services.has(spec.name) || !spec.enabled) continue;
      this.#add(spec, { up: false, replicas: spec.replicas }).reconcile([], false);
    }
  }

  forget(service: Service): void {
    service.close();
    service.forgetRuns();
    this.services.delete(service.name);
  }

  /** Has the kernel hold every socket of the app. */
  async makeSockets(): Promise<void> {
    for (const socket of this.config.sockets) {
      const request = socketRequest(this.name, socket);
      try {
        await this.#parts.kernel.sockets.make(request);
      } catch (error) {
        if (!hasCode(error, "NEWEL_E_EXISTS")) throw error;
        await this.#replaceSocket(request);
      }
    }
  }

  async removeSockets(keep: readonly ResolvedSocket[] = []): Promise<void> {
    const kept = new Set(keep.map((socket) => socketName(this.name, socket)));
    for (const { name } of await this.#parts.kernel.sockets.list(`${this.name}/*`)) {
      if (!kept.has(name)) await this.#parts.kernel.sockets.remove(name);
    }
  }

  /** Writes down what the next supervisor must know; nothing when it has not changed. */
  async save(): Promise<void> {
    const text = JSON.stringify(this.#stored());
    if (text === this.#saved) return;
    this.#saved = text;
    await this.#parts.kernel.values.set(appValueName(this.name), text);
  }

  async erase(): Promise<void> {
    for (const service of this.services.values()) this.forget(service);
    await this.removeSockets();
    await this.#parts.kernel.values.set(appValueName(this.name), undefined);
  }

  #stored(): StoredApp {
    const wanted = Object.fromEntries(
      [...this.services].map(([name, service]) => [name, service.wanted]),
    );
    return { config: this.config, wanted, nextRun: this.#nextRun };
  }

  /** The old address ends with the processes that still have it. */
  async #replaceSocket(request: SocketRequest): Promise<void> {
    const [existing] = await this.#parts.kernel.sockets.list(request.name);
    const sameAddress =
      existing !== undefined &&
      existing.host === request.host &&
      existing.port === request.port &&
      existing.path === request.path;
    if (sameAddress) {
      this.#parts.log(
        `${request.name} keeps its settings (backlog ${existing.backlog}) until it is made anew after \`newel down\`.`,
      );
      return;
    }
    await this.#parts.kernel.sockets.remove(request.name);
    await this.#parts.kernel.sockets.make(request);
  }

  #add(spec: ResolvedService, wanted: { up: boolean; replicas: number }): Service {
    const parts: ServiceParts = {
      ...this.#parts,
      app: this.name,
      nextRun: () => this.#takeRun(),
      changed: (service) => this.#parts.changed(this, service),
    };
    const service = new Service(spec, { ...wanted }, parts);
    this.services.set(spec.name, service);
    return service;
  }

  #takeRun(): number {
    const run = this.#nextRun;
    this.#nextRun += 1;
    return run;
  }
}

/**
 * Reads back what {@link App.save} wrote.
 *
 * @param runsSeen - the highest run number of the kernel's list: the count goes on above it
 * @throws NEWEL_E_CONFIG_STORED when it is no stored app
 */
export function parseStoredApp(text: string, runsSeen: number): StoredApp {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || !("config" in value)) {
    throw newelError("NEWEL_E_CONFIG_STORED", { why: "it has no configuration" });
  }
  const stored: { config: unknown; wanted?: unknown; nextRun?: unknown } = value;
  const wanted: Record<string, { up: boolean; replicas: number }> = {};
  for (const [name, entry] of Object.entries(stored.wanted ?? {})) {
    const { up, replicas }: { up?: unknown; replicas?: unknown } = Object(entry);
    wanted[name] = { up: up === true, replicas: typeof replicas === "number" ? replicas : 0 };
  }
  const nextRun = typeof stored.nextRun === "number" ? stored.nextRun : 1;
  return {
    config: parseResolvedConfig(stored.config),
    wanted,
    nextRun: Math.max(nextRun, runsSeen + 1),
  };
}

function socketRequest(app: string, socket: ResolvedSocket): SocketRequest {
  const name = socketName(app, socket);
  const common = { name, backlog: socket.backlog };
  if (socket.path !== undefined) {
    return {
      ...common,
      path: socket.path,
      ...(socket.umask === undefined ? {} : { umask: socket.umask }),
    };
  }
  // As app.listen(port) does: every address, IPv4 too.
  const host = socket.host ?? "::";
  return { ...common, family: host.includes(":") ? "inet6" : "inet", host, port: socket.port ?? 0 };
}

/** `127.0.0.1:3000`, `:3000` for every address, or a path. */
export function shownAddress(socket: ResolvedSocket): string {
  if (socket.path !== undefined) return socket.path;
  const host = socket.host ?? "";
  return `${host.includes(":") ? `[${host}]` : host}:${socket.port ?? 0}`;
}
