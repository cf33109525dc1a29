import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { systemCode } from "../../base/errors.ts";
import { matches } from "../../base/names.ts";
import type { ResolvedIdentity } from "./identity.ts";
import { parseEnvFile } from "./env-file.ts";
import { type Finding, type Key, quoted } from "./problems.ts";
import { environmentFindings } from "./env-rules.ts";
import { expandReplica, type ReplicaNumbers } from "./references.ts";
import type { ResolvedService } from "./resolved.ts";
import type { EnvFileConfig, EnvironmentConfig } from "./types.ts";

/**
 * The base variables: every program may expect them, and they depend on the shell that called newel, not on the
 * app. The rest of the caller's environment stays where it is.
 */
const BASE: ReadonlySet<string> = new Set([
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "LANG",
  "LC_ALL",
  "TZ",
  "TMPDIR",
  "NODE_ENV",
]);

/**
 * Variables that differ with every shell and every way to call newel (npm, a subdirectory): `passEnv: ["*"]` leaves
 * them out, so that they are passed only where a name or a longer prefix asks for them.
 */
const OF_THE_CALL = /^(?:npm_.*|INIT_CWD|PWD|OLDPWD|SHLVL|_)$/;

/** The PATH for a caller without PATH, such as `env -i`. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Variables = Readonly<Record<string, string>>;

/** The variables of .env files, or what is wrong with the files. */
export interface EnvFiles {
  readonly variables: Variables;
  readonly findings: readonly Finding[];
}

/**
 * Reads the files of an `envFile`, relative to the configuration's directory; a later one wins.
 *
 * @param at - the path of the `envFile` setting
 */
export function readEnvFiles(
  envFile: EnvFileConfig | undefined,
  directory: string,
  at: readonly Key[],
): EnvFiles {
  const listed = typeof envFile === "object";
  const paths = envFile === undefined ? [] : listed ? envFile : [envFile];
  const files = paths.map((path, index) =>
    readEnvFile(path, directory, listed ? [...at, index] : at),
  );
  return {
    variables: Object.assign({}, ...files.map(({ variables }) => variables)) as Variables,
    findings: files.flatMap(({ findings }) => findings),
  };
}

function readEnvFile(path: string, directory: string, keys: readonly Key[]): EnvFiles {
  const optional = path.endsWith("?");
  const file = resolve(directory, optional ? path.slice(0, -1) : path);
  try {
    const { variables, problems } = parseEnvFile(readFileSync(file, "utf8"));
    const lines = problems.map(({ line, message }) => ({
      keys,
      label: [],
      says: `This line ${message}`,
      elsewhere: { file, line },
    }));
    return { variables, findings: [...lines, ...environmentFindings(variables, keys)] };
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    if (code === "ENOENT" && optional) return { variables: {}, findings: [] };
    const says =
      code === "ENOENT"
        ? `is ${quoted(path)}, which does not exist; write ${quoted(`${path}?`)} if it may be missing.`
        : `is ${quoted(path)}, which cannot be read: ${code}.`;
    return { variables: {}, findings: [{ keys, says }] };
  }
}

/** The sources of a service's environment, the weakest first. */
interface EnvironmentSources {
  readonly caller: NodeJS.ProcessEnv;
  readonly passEnv: readonly string[];
  readonly layers: readonly (EnvironmentConfig | undefined)[];
}

/** The environment of a service in its two parts. */
export interface Environment {
  /** Of the caller's shell: kept from the first `up`, never compared. */
  readonly base: Variables;
  /** Of the configuration: `passEnv`, `envFile`, `env`. A change of them is a change of the service. */
  readonly env: Variables;
}

/**
 * The environment of a service's processes: the base variables of the caller; then its variables that `passEnv`
 * names, and each layer over the one before. Nothing else leaks in, and no variable of newel's own. Both parts are
 * sorted, so that the same environment is always the same text.
 */
export function computeEnvironment({ caller, passEnv, layers }: EnvironmentSources): Environment {
  const base = new Map<string, string>();
  const own = new Map<string, string>();
  for (const [name, value] of Object.entries(caller)) {
    if (value === undefined || name.startsWith("NEWEL_")) continue;
    if (BASE.has(name)) base.set(name, value);
    if (passEnv.some((pattern) => passes(pattern, name))) own.set(name, value);
  }
  for (const layer of layers)
    for (const [name, value] of Object.entries(layer ?? {}))
      if (value !== undefined) own.set(name, String(value));
  return { base: sorted(base), env: sorted(own) };
}

function passes(pattern: string, name: string): boolean {
  if (pattern === "*") return !BASE.has(name) && !OF_THE_CALL.test(name);
  return matches(pattern, name);
}

function sorted(variables: ReadonlyMap<string, string>): Variables {
  return Object.fromEntries([...variables].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The base variables of another user, because HOME and similar variables of the caller name the caller's files.
 */
function withIdentity(base: Variables, { uid, variables }: ResolvedIdentity): Variables {
  if (uid === undefined) return base;
  const { HOME: _home, USER: _user, LOGNAME: _name, SHELL: _shell, ...others } = base;
  return { ...others, ...variables };
}

/**
 * The whole environment of a service's processes, without the variables that newel itself sets. Programs of
 * `node_modules/.bin` come first in PATH, as under `npm run`, unless the configuration sets PATH.
 *
 * @param numbers - of the replica; without them `$(replica)` and `$(port)` stay as they are
 */
export function processEnvironment(
  service: Pick<
    ResolvedService,
    "base" | "env" | "binDirectories" | "replicaVariables" | "identity"
  >,
  numbers?: ReplicaNumbers,
): Variables {
  const { base, env, binDirectories, replicaVariables, identity } = service;
  const path = base["PATH"] === undefined || base["PATH"] === "" ? DEFAULT_PATH : base["PATH"];
  const numbered = replicaVariables.map((name) => [
    name,
    numbers === undefined ? (env[name] ?? "") : expandReplica(env[name] ?? "", numbers),
  ]);
  return {
    ...(identity === undefined ? base : withIdentity(base, identity)),
    PATH: [...binDirectories, path].join(":"),
    ...env,
    ...(Object.fromEntries(numbered) as Variables),
  };
}
