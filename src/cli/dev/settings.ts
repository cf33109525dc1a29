import { serviceHash } from "../../supervisor/config/changes.ts";
import type {
  ResolvedConfig,
  ResolvedService,
  ResolvedWatch,
} from "../../supervisor/config/resolved.ts";
import { resolveWatch } from "../../supervisor/config/watched.ts";
import { runsNode } from "../../supervisor/config/runs-node.ts";

/** The longest time that connections without a request delay a restart, in milliseconds. */
const LINGER_MS = 100;
/** The longest time that a stopping program delays a restart, in milliseconds. */
const GRACE_MS = 5_000;

/**
 * A configuration as `newel dev` runs it: one replica a service, no restart without a change, clients wait
 * while a program is broken, and the old program is stopped before the new one starts.
 */
export function devConfig(config: ResolvedConfig): ResolvedConfig {
  return { ...config, services: config.services.map(devService) };
}

function devService(given: ResolvedService): ResolvedService {
  const { hash: _, ...service } = given;
  const { stop, ready, replicas } = service;
  const { cron: _cron, ...restart } = service.restart;
  const changed = {
    ...service,
    replicas: Math.min(1, replicas),
    ready: { ...ready, stableMs: 0 },
    stop: {
      ...stop,
      lingerMs: Math.min(stop.lingerMs, LINGER_MS),
      graceMs: Math.min(stop.graceMs, GRACE_MS),
    },
    reload: { order: "stop-first" },
    restart: { ...restart, policy: "never", whenFailed: "wait" },
  } as const;
  return { ...changed, hash: serviceHash(changed) };
}

/** The configuration for the supervisor, which is to watch nothing itself. */
export function unwatchedConfig(config: ResolvedConfig): ResolvedConfig {
  const services = config.services.map((given) => {
    const { watch: _, ...service } = given;
    return service;
  });
  return { ...config, services };
}

/** The same app without a process: its sockets are held, and clients wait. */
export function heldConfig(config: ResolvedConfig): ResolvedConfig {
  const services = config.services.map((service) => ({ ...service, replicas: 0, dependsOn: {} }));
  return { ...config, services };
}

/** The part of a configuration that some services need: themselves, and the services that they depend on. */
export function onlyServices(config: ResolvedConfig, names: readonly string[]): ResolvedConfig {
  const needed = new Set<string>();
  const add = (name: string): void => {
    const service = config.services.find((each) => each.name === name);
    if (service === undefined || needed.has(name)) return;
    needed.add(name);
    for (const other of Object.keys(service.dependsOn)) add(other);
  };
  names.forEach(add);
  const services = config.services.filter(({ name }) => needed.has(name));
  const used = new Set(services.flatMap(({ listen }) => listen.map(({ name }) => name)));
  return { ...config, services, sockets: config.sockets.filter(({ name }) => used.has(name)) };
}

/** Services that are restarted together, because they watch the same files. */
export interface WatchGroup extends ResolvedWatch {
  readonly services: readonly string[];
}

/**
 * The files that `newel dev` watches, by services. A service without `watch` is watched if it is a Node.js program
 * or its command names a file of the project: an edit must not restart a database.
 */
export function watchGroups(config: ResolvedConfig): readonly WatchGroup[] {
  const groups = new Map<string, WatchGroup>();
  for (const service of config.services) {
    if (!service.enabled || service.watch === false) continue;
    const watch = service.watch ?? defaultWatch(service);
    if (watch === undefined) continue;
    const { programs, ...files } = watch;
    const key = JSON.stringify(files);
    const group = groups.get(key) ?? { ...files, programs: [], services: [] };
    groups.set(key, {
      ...group,
      programs: [...group.programs, ...programs],
      services: [...group.services, service.name],
    });
  }
  return [...groups.values()];
}

function defaultWatch({ command, cwd, base }: ResolvedService): ResolvedWatch | undefined {
  const watch = resolveWatch(true, command, cwd);
  if (watch === undefined || watch === false) return undefined;
  const isNode =
    command.kind === "node" ||
    runsNode(command.kind === "shell" ? command.line : command.args, cwd, base["PATH"]);
  return isNode || watch.programs.length > 0 ? watch : undefined;
}
