import { existsSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";

import { type EnvFiles, readEnvFiles } from "./environment.ts";
import { type Jobs, JOBS_SERVICE, readJobs, STORE_VARIABLE, toldOfJobs } from "./jobs.ts";
import { isRecord } from "./leaves.ts";
import { type Finding, type Key, kindOf, pathText, quoted } from "./problems.ts";
import { sharedFindings } from "./references.ts";
import { resolveService } from "./resolve.ts";
import type { ResolvedConfig, ResolvedSocket } from "./resolved.ts";
import {
  appNameFindings,
  dependencies,
  dependencyFindings,
  environmentFindings,
  nameFindings,
  serviceFindings,
  socketFindings,
} from "./rules.ts";
import {
  checkService,
  checkSocket,
  checkTop,
  type CheckedService,
  type CheckedTop,
} from "./schema.ts";
import { undecidedSockets, placeSocket } from "./follow.ts";
import { withoutRunners } from "./programs.ts";
import { addressText, collide, listenSockets, resolveSocket } from "./sockets.ts";

/** A configuration that can be worked with, or everything that is wrong with it. */
type Validated = { readonly config: ResolvedConfig } | { readonly findings: readonly Finding[] };

/**
 * Checks a configuration and fills it in. All problems are told at once: a part that is wrong is
 * left out of the later steps, so that no problem is told twice.
 *
 * @param value - plain data, as the configuration exports it
 * @param file - absolute
 * @param caller - the environment `up` was called in
 */
export function validate(value: unknown, file: string, caller: NodeJS.ProcessEnv): Validated {
  const directory = dirname(file);
  if (!isRecord(value)) {
    const says = `exports ${kindOf(value)}; write export default defineConfig({ services: { … } }).`;
    return { findings: [{ keys: [], label: [], says: `The file ${says}` }] };
  }
  const top = readTop(value);
  const appFiles = readEnvFiles(top.checked.envFile, directory, ["envFile"]);
  const sockets = readSockets(value["sockets"], directory);
  const jobs = readJobs(value["jobs"], directory);
  const services = readServices(value["services"], sockets.declared, directory, jobs.value);
  const findings = [
    ...dangerousKeys(value, []),
    ...top.findings,
    ...appFiles.findings,
    ...sockets.findings,
    ...jobs.findings,
    ...services.findings,
    ...collisions(sockets.declared, services.checked),
    ...sharedReferences(top.checked, sockets.declared, services.checked),
  ];
  if (findings.length > 0) return { findings };
  const parts = { file, caller, top: top.checked, appFiles, sockets, services, jobs: jobs.value };
  return { config: assemble(parts) };
}

/** JSON can carry keys that mean something else to JavaScript; nothing of ours is named so. */
function dangerousKeys(value: unknown, keys: readonly Key[]): readonly Finding[] {
  if (Array.isArray(value))
    return value.flatMap((item: unknown, index) => dangerousKeys(item, [...keys, index]));
  if (!isRecord(value)) return [];
  return Object.keys(value).flatMap((key) =>
    ["__proto__", "constructor", "prototype"].includes(key)
      ? [{ keys: [...keys, key], says: "is not a usable key." }]
      : dangerousKeys(value[key], [...keys, key]),
  );
}

interface Top {
  readonly checked: CheckedTop;
  readonly findings: readonly Finding[];
}

function readTop(value: Record<string, unknown>): Top {
  const missing =
    value["services"] === undefined
      ? [
          {
            keys: [],
            label: [],
            says: 'The file has no "services": write services: { web: { node: "src/server.ts" } }.',
          },
        ]
      : [];
  const { value: checked = {}, findings } = checkTop(value);
  // A foreign word for "services" says it better.
  const told = findings.some(({ says }) => says.includes('"services"'));
  return {
    checked,
    findings: [
      ...findings,
      ...(told ? [] : missing),
      ...appNameFindings(checked),
      ...environmentFindings(checked.env, ["env"]),
    ],
  };
}

interface Sockets {
  readonly declared: readonly ResolvedSocket[];
  readonly findings: readonly Finding[];
}

function readSockets(value: unknown, directory: string): Sockets {
  const declared: ResolvedSocket[] = [];
  const findings: Finding[] = [];
  for (const [name, raw] of Object.entries(isRecord(value) ? value : {})) {
    const { value: checked = {}, findings: told } = checkSocket(name, raw);
    // Of a wrong socket the name is kept, so that no "listen" is blamed for it.
    const socket = resolveSocket(name, checked, directory);
    declared.push(socket);
    const misfits = socketFindings(name, checked, socket).filter((each) => !isTold(each, told));
    findings.push(...nameFindings("sockets", name), ...told, ...misfits);
  }
  return { declared, findings };
}

interface Services {
  readonly checked: ReadonlyMap<string, CheckedService>;
  readonly files: ReadonlyMap<string, EnvFiles>;
  readonly findings: readonly Finding[];
}

function readServices(
  value: unknown,
  sockets: readonly ResolvedSocket[],
  directory: string,
  jobs: Jobs | undefined,
): Services {
  const all = isRecord(value) ? value : {};
  const checked = new Map<string, CheckedService>();
  const files = new Map<string, EnvFiles>();
  const unsure = new Set<string>();
  const findings: Finding[] = [];
  for (const [name, raw] of Object.entries(all)) {
    findings.push(...nameFindings("services", name));
    const { value: service, findings: told } = checkService(name, raw);
    findings.push(...told);
    if (service === undefined) continue;
    const envFiles = readEnvFiles(service.envFile, directory, ["services", name, "envFile"]);
    checked.set(name, service);
    if (told.some(({ keys }) => keys[2] === "restart")) unsure.add(name);
    files.set(name, envFiles);
    findings.push(
      ...serviceFindings(name, service, sockets).filter((each) => !isTold(each, told)),
      ...(told.some(({ keys }) => keys[2] === "cwd") ? [] : fileFindings(name, service, directory)),
      ...envFiles.findings,
    );
  }
  if (jobs !== undefined && Object.hasOwn(all, JOBS_SERVICE)) {
    const says = 'has the name of the job server\'s service, which "jobs" declares: rename it.';
    return { checked, files, findings: [...findings, { keys: ["services", JOBS_SERVICE], says }] };
  }
  if (jobs !== undefined) findings.push(...addJobs(jobs, { checked, files }, directory));
  const names = jobs === undefined ? Object.keys(all) : [...Object.keys(all), JOBS_SERVICE];
  const circular = dependencyFindings(checked, names, unsure);
  findings.push(...(jobs === undefined ? circular : toldOfJobs(circular)));
  return { checked, files, findings };
}

/** The job server is a service like any other from here on. */
function addJobs(
  { service }: Jobs,
  into: { readonly checked: Map<string, CheckedService>; readonly files: Map<string, EnvFiles> },
  directory: string,
): readonly Finding[] {
  const envFiles = readEnvFiles(service.envFile, directory, ["jobs", "envFile"]);
  into.checked.set(JOBS_SERVICE, service);
  into.files.set(JOBS_SERVICE, envFiles);
  return toldOfJobs([
    ...serviceFindings(JOBS_SERVICE, service, []),
    ...fileFindings(JOBS_SERVICE, service, directory),
    ...envFiles.findings,
  ]);
}

/** What has a wrong "node" or "port" is not also told that it has none. */
function isTold({ keys }: Finding, told: readonly Finding[]): boolean {
  const isChief = ({ keys: [, , key], says }: Finding): boolean =>
    ["node", "run", "port", "path"].some((word) => word === key || says.includes(`"${word}"`));
  return keys.length === 2 && told.some(isChief);
}

/** Directories and programs that are not there. */
function fileFindings(name: string, service: CheckedService, directory: string): Finding[] {
  const cwd = resolve(directory, service.cwd ?? ".");
  if (statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true) {
    const says = `is ${quoted(service.cwd ?? ".")}, which is no directory: ${quoted(cwd)}.`;
    return [{ keys: ["services", name, "cwd"], says }];
  }
  // What another service builds first may not be there yet.
  const isBuilt = Object.values(dependencies(service)).includes("completed");
  if (service.node === undefined || isBuilt || service.enabled === false) return [];
  const file = resolve(cwd, service.node);
  if (existsSync(file) || existsSync(`${file}.js`)) return [];
  const says = `is ${quoted(service.node)}, which does not exist: ${quoted(file)}.`;
  return [{ keys: ["services", name, "node"], says }];
}

/** References of the app's `env` that one of its services has no socket for. */
function sharedReferences(
  { env }: CheckedTop,
  declared: readonly ResolvedSocket[],
  services: ReadonlyMap<string, CheckedService>,
): readonly Finding[] {
  const enabled = [...services].filter(([, service]) => service.enabled !== false);
  return sharedFindings(
    env,
    enabled.map(([name, service]) => ({ name, listen: listenSockets(service, declared) })),
  );
}

/** Sockets that cannot be bound at once. */
function collisions(
  declared: readonly ResolvedSocket[],
  services: ReadonlyMap<string, CheckedService>,
): readonly Finding[] {
  const placed: { readonly socket: ResolvedSocket; readonly keys: readonly Key[] }[] = [];
  const findings: Finding[] = [];
  const place = (socket: ResolvedSocket, keys: readonly Key[]): void => {
    if (socket.port === 0 || placed.some((other) => other.socket.name === socket.name)) return;
    const other = placed.find((candidate) => collide(candidate.socket, socket));
    placed.push({ socket, keys });
    if (other === undefined) return;
    const says = `is ${quoted(addressText(socket))}, which cannot be bound together with ${quoted(addressText(other.socket))} of ${pathText(other.keys)}: use one socket, or another port.`;
    findings.push({ keys, says });
  };
  for (const socket of declared) place(socket, ["sockets", socket.name]);
  for (const [name, service] of services) {
    if (service.enabled === false) continue;
    for (const socket of listenSockets(service, declared))
      place(socket, ["services", name, "listen"]);
  }
  return findings;
}

interface Parts {
  readonly file: string;
  readonly caller: NodeJS.ProcessEnv;
  readonly top: CheckedTop;
  readonly appFiles: EnvFiles;
  readonly sockets: Sockets;
  readonly services: Services;
  readonly jobs: Jobs | undefined;
}

function assemble({ file, caller, top, appFiles, sockets, services, jobs }: Parts): ResolvedConfig {
  const directory = dirname(file);
  const disabled = new Set(
    [...services.checked].filter(([, { enabled }]) => enabled === false).map(([name]) => name),
  );
  const undecided = undecidedSockets(sockets.declared, services.checked, {
    directory,
    env: top.env,
    path: withoutRunners(caller, directory)["PATH"],
  });
  const resolved = [...services.checked].map(([name, service]) => {
    const own = services.files.get(name)?.variables;
    const store = jobs === undefined ? undefined : { [STORE_VARIABLE]: jobs.store };
    const layers = [
      { variables: store, hasReferences: false },
      { variables: appFiles.variables, hasReferences: false },
      { variables: top.env, hasReferences: true },
      { variables: own, hasReferences: false },
      { variables: service.env, hasReferences: true },
    ];
    const context = { directory, caller, sockets: sockets.declared, undecided, layers, disabled };
    return resolveService(name, service, context);
  });
  const listened = resolved.flatMap(({ enabled, listen }) => (enabled ? listen : []));
  const declared = sockets.declared.map((socket) => placeSocket(socket, undecided));
  const bySocketName = new Map([...declared, ...listened].map((each) => [each.name, each]));
  return {
    name: top.name ?? appName(directory),
    nameFrom: top.name === undefined ? "directory" : "configuration",
    file,
    sockets: [...bySocketName.values()],
    services: resolved,
  };
}

/** A directory may have a name that is none of ours: `my app (2)` is `my-app-2`. */
function appName(directory: string): string {
  const plain = basename(directory)
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replaceAll(/^[^A-Za-z0-9]+|-+$/g, "");
  return plain === "" ? "app" : plain.slice(0, 100);
}
