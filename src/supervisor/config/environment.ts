import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { systemCode } from "../../base/errors.ts";
import { matches } from "../../base/names.ts";
import { parseEnvFile } from "./env-file.ts";
import { type Finding, type Key, quoted } from "./problems.ts";
import { environmentFindings } from "./rules.ts";
import type { EnvFileConfig, EnvironmentConfig } from "./types.ts";

/** What every program may expect; the rest of the caller's environment stays where it is. */
const BASE = [
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
] as const;

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

/**
 * The whole environment of a service's processes: the base variables and those of `passEnv` from
 * the caller, then each layer over the one before. Nothing else leaks in, and no variable of newel's
 * own; sorted, so that the same environment is always the same text.
 */
export function computeEnvironment({ caller, passEnv, layers }: EnvironmentSources): Variables {
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(caller)) {
    const passes =
      BASE.some((base) => base === name) || passEnv.some((pattern) => matches(pattern, name));
    if (value !== undefined && passes && !name.startsWith("NEWEL_")) variables.set(name, value);
  }
  for (const layer of layers)
    for (const [name, value] of Object.entries(layer ?? {}))
      if (value !== undefined) variables.set(name, String(value));
  return Object.fromEntries([...variables].sort(([a], [b]) => (a < b ? -1 : 1)));
}
