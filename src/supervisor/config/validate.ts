import { existsSync, readdirSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, resolve } from "node:path";

import { closest } from "../../base/names.ts";
import { readDeploy } from "./deploy.ts";
import { type EnvFiles, readEnvFiles } from "./environment.ts";
import { type Jobs, JOBS_SERVICE, readJobs, STORE_VARIABLE, toldOfJobs } from "./jobs.ts";
import { type Interpolated, interpolate } from "./interpolate.ts";
import { isRecord } from "./leaves.ts";
import { metricsFindings, resolveMetrics } from "./metrics.ts";
import { parsePortRange, portRangeFindings } from "./port-range.ts";
import { type Finding, isWithin, type Key, kindOf, pathText, quoted } from "./problems.ts";
import { sharedFindings } from "./references.ts";
import { activeProfiles, isInProfile, profileFindings, profileLayers } from "./profiles.ts";
import { type Layer, resolveService } from "./resolve.ts";
import type { ResolvedDeploy } from "./deploy-types.ts";
import type { ResolvedConfig, ResolvedSocket } from "./resolved.ts";
import {
  appNameFindings,
  dependencies,
  dependencyFindings,
  environmentFindings,
  nameFindings,
  profileEnvFindings,
  serviceFindings,
  socketFindings,
} from "./rules.ts";
import {
  type Checked,
  checkService,
  checkSocket,
  checkTop,
  type CheckedService,
  type CheckedTop,
} from "./schema.ts";
import { dangerousKeys } from "./dangerous-keys.ts";
import { undecidedSockets, placeSocket } from "./follow.ts";
import { withoutRunners } from "./programs.ts";
import { addressText, collide, listenSockets, resolveSocket } from "./sockets.ts";

/** A configuration that can be worked with, or everything that is wrong with it. */
type Validated =
  | { readonly config: ResolvedConfig }
  | {
      readonly findings: readonly Finding[];
      /** Of the app's .env files: no finding shows a value of them. */
      readonly variables?: Readonly<Record<string, string>>;
    };

/**
 * Checks a configuration and fills it in. All problems are reported at once: a wrong part is
 * left out of the later steps, so that no problem is reported twice.
 *
 * @param value - plain data, as the configuration exports it
 * @param file - absolute
 * @param caller - the environment `up` was called in
 * @param asked - the profiles of `--profile`
 */
export function validate(
  value: unknown,
  file: string,
  caller: NodeJS.ProcessEnv,
  asked?: readonly string[],
): Validated {
  const directory = dirname(file);
  if (!isRecord(value)) {
    const says = `exports ${kindOf(value)}; write export default defineConfig({ services: { … } }).`;
    return { findings: [{ keys: [], label: [], says: `The file ${says}` }] };
  }
  const { appFiles, ...given } = withVariables(value, directory, caller);
  const top = readTop(given.value, directory);
  const sockets = readSockets(given.value["sockets"], directory);
  const jobs = readJobs(given.value["jobs"], directory);
  const deploy = readDeploy(given.value["deploy"]);
  const profiles = activeProfiles(asked, caller);
  const context = { sockets: sockets.declared, directory, jobs: jobs.value, profiles };
  const services = readServices(given.value["services"], context);
  const findings = [
    ...dangerousKeys(value, []),
    ...top.findings,
    ...appFiles.findings,
    ...sockets.findings,
    ...jobs.findings,
    ...deploy.findings,
    ...services.findings,
    ...collisions(sockets.declared, services.checked),
    ...sharedReferences(top.checked, sockets.declared, services.checked),
    ...portRanges(sockets.declared, services.checked),
    ...profileFindings(asked, top.checked, services.checked),
  ].filter((finding) => !isWithin(finding, given.findings));
  if (findings.length > 0 || given.findings.length > 0)
    return { findings: [...given.findings, ...findings], variables: appFiles.variables };
  const { written } = given;
  const parts = { file, caller, top: top.checked, appFiles, sockets, services, jobs: jobs.value };
  return { config: assemble({ ...parts, written, profiles }) };
}

/** The settings of `deploy` alone: the rest of a release can be checked only after its build. */
export function validateDeploy(
  value: unknown,
  file: string,
  caller: NodeJS.ProcessEnv,
): Checked<ResolvedDeploy> {
  if (!isRecord(value)) return readDeploy(undefined);
  const { appFiles: _, ...given } = withVariables(value, dirname(file), caller);
  return readDeploy(given.value["deploy"]);
}

/**
 * The configuration with its variables replaced. A variable of the app's .env files wins over one of the caller, as
 * it does in the environment of a process.
 */
function withVariables(
  value: Record<string, unknown>,
  directory: string,
  caller: NodeJS.ProcessEnv,
): Interpolated & { readonly value: Record<string, unknown>; readonly appFiles: EnvFiles } {
  const files = interpolate(value["envFile"], ["envFile"], (name) => caller[name]);
  const { envFile } = checkTop({ envFile: files.value }).value ?? {};
  const failed = files.findings.length > 0;
  const appFiles = readEnvFiles(failed ? undefined : envFile, directory, ["envFile"]);
  const { envFile: _, ...others } = value;
  const lookup = (name: string): string | undefined =>
    Object.hasOwn(appFiles.variables, name) ? appFiles.variables[name] : caller[name];
  const rest = interpolate(others, [], lookup);
  const given = isRecord(rest.value) ? rest.value : {};
  return {
    value: value["envFile"] === undefined ? given : { ...given, envFile: files.value },
    findings: [...files.findings, ...rest.findings],
    written: rest.written,
    appFiles,
  };
}

interface Top {
  readonly checked: CheckedTop;
  readonly findings: readonly Finding[];
}

function readTop(value: Record<string, unknown>, directory: string): Top {
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
  // The message about a foreign word for "services" is better.
  const told = findings.some(({ says }) => says.includes('"services"'));
  return {
    checked,
    findings: [
      ...findings,
      ...(told ? [] : missing),
      ...appNameFindings(checked),
      ...environmentFindings(checked.env, ["env"]),
      ...profileEnvFindings(checked.profileEnv, ["profileEnv"]),
      ...metricsFindings(checked.metrics, directory),
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
    // A socket that is no object has none of the settings.
    const misfits = isRecord(raw)
      ? socketFindings(name, checked, socket).filter((each) => !isTold(each, told))
      : [];
    findings.push(...nameFindings("sockets", name), ...told, ...misfits);
  }
  return { declared, findings };
}

interface Services {
  readonly checked: ReadonlyMap<string, CheckedService>;
  readonly files: ReadonlyMap<string, EnvFiles>;
  readonly findings: readonly Finding[];
}

interface ServicesContext {
  readonly sockets: readonly ResolvedSocket[];
  readonly directory: string;
  readonly jobs: Jobs | undefined;
  readonly profiles: readonly string[];
}

function readServices(value: unknown, context: ServicesContext): Services {
  const { sockets, directory, jobs, profiles } = context;
  const all = isRecord(value) ? value : {};
  const checked = new Map<string, CheckedService>();
  const files = new Map<string, EnvFiles>();
  const unsure = new Set<string>();
  const findings: Finding[] = [];
  for (const [name, raw] of Object.entries(all)) {
    findings.push(...nameFindings("services", name));
    const { value: given, findings: told } = checkService(name, raw);
    findings.push(...told);
    if (given === undefined) continue;
    const service = isInProfile(given, profiles) ? given : { ...given, enabled: false };
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

/** A service with a wrong "node" or "port" is not reported as one without it. */
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
  // A file that another service builds first may not exist yet.
  const isBuilt = Object.values(dependencies(service)).includes("completed");
  if (service.node === undefined || isBuilt || service.enabled === false) return [];
  const file = resolve(cwd, service.node);
  if (existsSync(file) || existsSync(`${file}.js`)) return [];
  const meant = nearFile(file, service.node);
  const hint = meant === undefined ? "" : ` Did you mean ${quoted(meant)}?`;
  const says = `is ${quoted(service.node)}, which does not exist: ${quoted(file)}.${hint}`;
  return [{ keys: ["services", name, "node"], says }];
}

/** A file of the same directory with a similar name, as the configuration would write it. */
function nearFile(file: string, written: string): string | undefined {
  const directory = dirname(file);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  const programs = readdirSync(directory).filter((name) => /\.[cm]?[jt]s$/.test(name));
  const stem = (name: string): string => name.replace(/\.[cm]?[jt]s$/, "");
  const meant =
    programs.find((name) => stem(name) === stem(basename(file))) ??
    closest(basename(file), programs);
  return meant === undefined ? undefined : written.slice(0, -basename(file).length) + meant;
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

/** Ranges of ports that do not fit the replicas, or one another. */
function portRanges(
  declared: readonly ResolvedSocket[],
  services: ReadonlyMap<string, CheckedService>,
): readonly Finding[] {
  const enabled = [...services].filter(([, service]) => service.enabled !== false);
  const ported = enabled.flatMap(([name, service]) => {
    const range = parsePortRange(service.portRange ?? "");
    if (range === undefined) return [];
    const { replicas = 1, reload } = service;
    const startsFirst =
      reload?.order === "start-first" ||
      (reload?.order === undefined && listenSockets(service, declared).length > 0);
    const count = replicas === "cpus" ? availableParallelism() : replicas;
    return [{ name, range, replicas: count, startsFirst }];
  });
  const sockets = enabled.flatMap(([name, service]) =>
    listenSockets(service, declared).map(({ port = 0 }) => ({
      port,
      keys: ["services", name, "listen"],
    })),
  );
  return portRangeFindings(ported, sockets);
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
  readonly written: ReadonlyMap<string, string>;
  readonly profiles: readonly string[];
}

function assemble(parts: Parts): ResolvedConfig {
  const { file, caller, top, appFiles, sockets, services, jobs, written, profiles } = parts;
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
      ...layersOf(top.profileEnv, profiles),
      { variables: own, hasReferences: false },
      { variables: service.env, hasReferences: true },
      ...layersOf(service.profileEnv, profiles),
    ];
    const context = {
      directory,
      caller,
      sockets: sockets.declared,
      undecided,
      layers,
      disabled,
      written,
    };
    return resolveService(name, service, context);
  });
  const listened = resolved.flatMap(({ enabled, listen }) => (enabled ? listen : []));
  const declared = sockets.declared.map((socket) => placeSocket(socket, undecided));
  const bySocketName = new Map([...declared, ...listened].map((each) => [each.name, each]));
  return {
    name: top.name ?? appName(directory),
    nameFrom: top.name === undefined ? "directory" : "configuration",
    file,
    ...(profiles.length === 0 ? {} : { profiles }),
    sockets: [...bySocketName.values()],
    services: resolved,
    ...resolveMetrics(top.metrics, directory),
  };
}

function layersOf(
  profileEnv: CheckedTop["profileEnv"],
  profiles: readonly string[],
): readonly Layer[] {
  return profileLayers(profileEnv, profiles).map((variables) => ({
    variables,
    hasReferences: true,
  }));
}

/** A directory may have a name that is not valid for an app: `my app (2)` is `my-app-2`. */
function appName(directory: string): string {
  const plain = basename(directory)
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .replaceAll(/^[^A-Za-z0-9]+|-+$/g, "");
  return plain === "" ? "app" : plain.slice(0, 100);
}
