import { closest } from "../../base/names.ts";
import { tryDurationMs } from "../../base/units.ts";
import {
  environmentFindings,
  instanceFindings,
  passFinding,
  profileEnvFindings,
} from "./env-rules.ts";
import { identityFindings } from "./identity.ts";
import { anyOf, type Finding, type Key, quoted } from "./problems.ts";
import { aliveFindings, readyFindings } from "./probe-rules.ts";
import { referenceFindings } from "./references.ts";
import type { ResolvedSocket } from "./resolved.ts";
import { type CronCheck, scheduleFindings } from "./schedule.ts";
import type { CheckedService, CheckedSocket } from "./schema.ts";
import { findSocket, isHost, listenEntries, listenSockets } from "./sockets.ts";
import type { Config } from "./types.ts";

// The rules that a schema cannot express: relations between settings. Each rule reads values of the right form.

const NAME_LIMIT = 100;
const SOCKET_PATH_BYTES = 107;

/** Names become file names, words on a command line (`web.1`) and LISTEN_FDNAMES, so they are plain. */
export function nameFindings(kind: "sockets" | "services", name: string): readonly Finding[] {
  const fits = /^[A-Za-z][A-Za-z0-9_-]*$/.test(name) && name.length <= NAME_LIMIT;
  if (fits || name === "__proto__") return []; // reported elsewhere as an impossible key
  const says = `is not a usable name: use letters, digits, "-" and "_", a letter first, at most ${NAME_LIMIT}.${plainName(name)}`;
  return [{ keys: [kind, name], says }];
}

/** A usable name that is near to another one. */
function plainName(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_-]+/g, "-").replaceAll(/^[^A-Za-z]+|-+$/g, "");
  return plain === "" || plain.length > NAME_LIMIT ? "" : ` Did you mean ${quoted(plain)}?`;
}

export function socketFindings(
  name: string,
  socket: CheckedSocket,
  resolved: ResolvedSocket,
): readonly Finding[] {
  const at = (key: string, says: string): Finding => ({ keys: ["sockets", name, key], says });
  const whole = (says: string): Finding => ({ keys: ["sockets", name], says });
  const findings: Finding[] = [];
  if (socket.port === undefined && socket.path === undefined)
    findings.push(whole('has neither "port" nor "path": write one of them.'));
  if (socket.port !== undefined && socket.path !== undefined)
    findings.push(whole('has both "port" and "path": write one of them.'));
  if (socket.host !== undefined && socket.path !== undefined)
    findings.push(at("host", 'is for a socket with "port".'));
  if (socket.umask !== undefined && socket.path === undefined)
    findings.push(at("umask", 'is for a socket with "path".'));
  if (socket.host !== undefined && !isHost(socket.host))
    findings.push(at("host", `is ${quoted(socket.host)}; must be an IP address: "127.0.0.1".`));
  if (socket.path !== undefined)
    findings.push(...identityFindings(socket, (...keys) => ["sockets", name, ...keys]));
  else if (socket.user !== undefined || socket.group !== undefined)
    findings.push(at(socket.user === undefined ? "group" : "user", 'is for a socket with "path".'));
  const bytes = Buffer.byteLength(resolved.path ?? "");
  if (bytes > SOCKET_PATH_BYTES)
    findings.push(at("path", `is ${bytes} bytes long once absolute; Unix allows 107.`));
  return findings;
}

/** Everything about one service that does not concern the others. */
export function serviceFindings(
  name: string,
  service: CheckedService,
  sockets: readonly ResolvedSocket[],
  check?: CronCheck,
): readonly Finding[] {
  const inService = (...keys: Key[]): Key[] => ["services", name, ...keys];
  return [
    ...commandFindings(service, inService),
    ...listenFindings(service, sockets, inService),
    ...(service.ready === undefined ? [] : readyFindings(service, service.ready, inService)),
    ...(service.alive === undefined ? [] : aliveFindings(service, service.alive, inService)),
    ...spanFindings(service, inService),
    ...environmentFindings(service.env, inService("env")),
    ...profileEnvFindings(service.profileEnv, inService("profileEnv")),
    ...instanceFindings(service, inService),
    ...scheduleFindings(service, inService, check),
    ...identityFindings(service, inService),
    ...(service.passEnv ?? []).flatMap((pattern, index) =>
      passFinding(pattern, inService("passEnv", index)),
    ),
  ];
}

type At = (...keys: Key[]) => Key[];

function commandFindings(service: CheckedService, at: At): Finding[] {
  const findings: Finding[] = [];
  const { node, run } = service;
  if (node === undefined && run === undefined)
    findings.push({
      keys: at(),
      says: 'has nothing to run: write "node" (a Node.js program) or "run" (any other).',
    });
  if (node !== undefined && run !== undefined)
    findings.push({ keys: at("run"), says: 'stands beside "node": write one of them.' });
  if (node === undefined && run !== undefined) {
    const advice = {
      args: 'put the arguments into "run"',
      nodeArgs: "leave it out",
      nodePath: "leave it out",
    };
    for (const key of ["args", "nodeArgs", "nodePath"] as const) {
      if (service[key] === undefined) continue;
      findings.push({ keys: at(key), says: `goes with "node", not with "run": ${advice[key]}.` });
    }
  }
  if (Array.isArray(run) && (run[0] ?? "") === "")
    findings.push({
      keys: at("run"),
      says: 'names no program: write one first, as in ["redis-server", "--port", "6380"].',
    });
  return findings;
}

function listenFindings(
  service: CheckedService,
  sockets: readonly ResolvedSocket[],
  at: At,
): readonly Finding[] {
  const listed = Array.isArray(service.listen);
  const seen = new Set<string>();
  const findings: Finding[] = [];
  for (const [index, entry] of listenEntries(service).entries()) {
    const keys = listed ? at("listen", index) : at("listen");
    const shown = typeof entry === "string" ? quoted(entry) : String(entry);
    const found = findSocket(entry, sockets);
    if (typeof found === "string") findings.push({ keys, says: `is ${shown}; ${found}` });
    else if (seen.has(found.name))
      findings.push({ keys, says: `is ${shown}, which stands in the list already.` });
    else seen.add(found.name);
  }
  // A misspelt socket in the list would be reported twice.
  return findings.length > 0
    ? findings
    : referenceFindings(service, listenSockets(service, sockets), at);
}

/** Spans that contradict each other. */
function spanFindings(service: CheckedService, at: At): Finding[] {
  const findings: Finding[] = [];
  const longer = (a: string | undefined, b: string | undefined): boolean =>
    a !== undefined && b !== undefined && (tryDurationMs(a) ?? 0) > (tryDurationMs(b) ?? 0);
  const { stop, ready } = service;
  const backoff = typeof service.restart === "object" ? service.restart.backoff : undefined;
  if (longer(backoff?.min, backoff?.max))
    findings.push({
      keys: at("restart", "backoff", "min"),
      says: `is longer than its "max": ${quoted(backoff?.min ?? "")} and ${quoted(backoff?.max ?? "")}.`,
    });
  if (longer(stop?.linger, stop?.grace))
    findings.push({
      keys: at("stop", "linger"),
      says: `is longer than "grace": ${quoted(stop?.linger ?? "")} and ${quoted(stop?.grace ?? "")}.`,
    });
  if (longer(ready?.after, ready?.timeout))
    findings.push({
      keys: at("ready", "after"),
      says: `is longer than "timeout": ${quoted(ready?.after ?? "")} and ${quoted(ready?.timeout ?? "")}.`,
    });
  return findings;
}

/** The condition of one service on another. */
export function dependencies(
  service: CheckedService,
): Record<string, "started" | "ready" | "completed"> {
  const { dependsOn } = service;
  if (dependsOn === undefined) return {};
  return isList(dependsOn)
    ? Object.fromEntries(dependsOn.map((name) => [name, "ready"]))
    : { ...dependsOn };
}

const isList = (value: NonNullable<CheckedService["dependsOn"]>): value is readonly string[] =>
  Array.isArray(value);

/**
 * Finds dependencies on missing services, on services that never complete, and cycles.
 *
 * @param unsure - services whose restart policy is wrong, and so not known
 */
export function dependencyFindings(
  services: ReadonlyMap<string, CheckedService>,
  names: readonly string[],
  unsure: ReadonlySet<string>,
): readonly Finding[] {
  const active = new Map([...services].filter(([, { enabled }]) => enabled !== false));
  const endless = (name: string): boolean =>
    !unsure.has(name) && policyOf(active.get(name)) === "always";
  const findings: Finding[] = [];
  for (const [name, service] of services) {
    const listed = Array.isArray(service.dependsOn);
    for (const [index, [other, condition]] of Object.entries(dependencies(service)).entries()) {
      const keys = ["services", name, "dependsOn", listed ? index : other];
      const label = ["services", name, "dependsOn"];
      if (!names.includes(other))
        findings.push({
          keys,
          label,
          says: `has ${quoted(other)}; ${unknownService(other, names)}`,
        });
      else if (other === name)
        findings.push({ keys, label, says: `has ${quoted(other)}, which is the service itself.` });
      else if (active.get(other)?.schedule !== undefined)
        findings.push({
          keys,
          label,
          says: `has ${quoted(other)}, which runs at the times of its "schedule" alone: leave it out.`,
        });
      else if (condition === "completed" && endless(other))
        findings.push({
          keys,
          label,
          says: `waits for ${quoted(other)} to complete, but that is started again each time it ends: give ${quoted(other)} restart: "on-failure" or "never".`,
        });
    }
  }
  return [...findings, ...circles(active)];
}

function unknownService(name: string, names: readonly string[]): string {
  const meant = closest(name, names);
  return meant === undefined
    ? `there is no such service: there are ${anyOf(names).replace(" or ", ", ")}.`
    : `there is no such service. Did you mean ${quoted(meant)}?`;
}

function policyOf(service: CheckedService | undefined): string | undefined {
  if (service === undefined) return undefined;
  const { restart = "always" } = service;
  return typeof restart === "string" ? restart : (restart.policy ?? "always");
}

/** Each cycle once, at the first of its services in the file. */
function circles(services: ReadonlyMap<string, CheckedService>): Finding[] {
  const findings: Finding[] = [];
  const done = new Set<string>();
  const walk = (name: string, trail: readonly string[]): void => {
    const service = services.get(name);
    if (service === undefined || done.has(name)) return;
    const from = trail.indexOf(name);
    if (from === -1) {
      for (const other of Object.keys(dependencies(service)))
        if (other !== name) walk(other, [...trail, name]);
      done.add(name);
      return;
    }
    const circle = trail.slice(from);
    findings.push({
      keys: ["services", name, "dependsOn"],
      says: `makes a circle: ${[...circle, name].join(" → ")}. One of them must start first.`,
    });
  };
  for (const name of services.keys()) walk(name, []);
  return findings;
}

/** The name of the app, for lists and logs. */
export function appNameFindings(config: Pick<Config, "name">): readonly Finding[] {
  const { name } = config;
  if (name === undefined || /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) return [];
  const says = `is ${quoted(name)}; use letters, digits, ".", "-" and "_", a letter or digit first.${plainName(name)}`;
  return [{ keys: ["name"], says }];
}
