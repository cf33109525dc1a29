import { basename, dirname } from "node:path";

import { readDeploy } from "./deploy.ts";
import { type EnvFiles, readEnvFiles } from "./environment.ts";
import { environmentFindings, profileEnvFindings } from "./env-rules.ts";
import { fileFindings } from "./file-rules.ts";
import { type Jobs, JOBS_SERVICE, readJobs, STORE_VARIABLE, toldOfJobs } from "./jobs.ts";
import { type Interpolated, interpolate } from "./interpolate.ts";
import { isRecord } from "./leaves.ts";
import { alertFindings, resolveAlerts } from "./alerts.ts";
import { metricsFindings, resolveMetrics } from "./metrics.ts";
import { type Finding, isWithin, kindOf } from "./problems.ts";
import { activeProfiles, isInProfile, profileFindings, profileLayers } from "./profiles.ts";
import { type Layer, resolveService } from "./resolve.ts";
import type { ResolvedDeploy } from "./deploy-types.ts";
import type { ResolvedConfig, ResolvedSocket } from "./resolved.ts";
import {
  appNameFindings,
  dependencyFindings,
  nameFindings,
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
import type { CronCheck } from "./schedule.ts";
import { collisions, portRanges, sharedReferences } from "./shared-rules.ts";
import { resolveSocket } from "./sockets.ts";

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
 * @param cronCheck - for a configuration with a cron expression
 */
export function validate(
  value: unknown,
  file: string,
  caller: NodeJS.ProcessEnv,
  asked?: readonly string[],
  cronCheck?: CronCheck,
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
  const context = { sockets: sockets.declared, directory, jobs: jobs.value, profiles, cronCheck };
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
      ...alertFindings(checked.on),
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
    // The name of an invalid socket is kept, so that no "listen" is reported as unknown because of it.
    const socket = resolveSocket(name, checked, directory);
    declared.push(socket);
    // A socket that is not an object has no settings to check.
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
  readonly cronCheck: CronCheck | undefined;
}

function readServices(value: unknown, context: ServicesContext): Services {
  const { sockets, directory, jobs, profiles, cronCheck } = context;
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
      ...serviceFindings(name, service, sockets, cronCheck).filter((each) => !isTold(each, told)),
      ...(told.some(({ keys }) => keys[2] === "cwd") ? [] : fileFindings(name, service, directory)),
      ...envFiles.findings,
    );
  }
  if (jobs !== undefined && Object.hasOwn(all, JOBS_SERVICE)) {
    const says = 'has the name of the job server\'s service, which "jobs" declares: rename it.';
    return { checked, files, findings: [...findings, { keys: ["services", JOBS_SERVICE], says }] };
  }
  if (jobs !== undefined) findings.push(...addJobs(jobs, { checked, files }, directory, cronCheck));
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
  cronCheck: CronCheck | undefined,
): readonly Finding[] {
  const envFiles = readEnvFiles(service.envFile, directory, ["jobs", "envFile"]);
  into.checked.set(JOBS_SERVICE, service);
  into.files.set(JOBS_SERVICE, envFiles);
  return toldOfJobs([
    ...serviceFindings(JOBS_SERVICE, service, [], cronCheck),
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
    ...resolveAlerts(top.on),
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
