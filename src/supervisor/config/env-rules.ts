import { PRELOAD_ENV } from "../../base/preload.ts";
import { isVariableName } from "./env-file.ts";
import { type Finding, type Key, quoted } from "./problems.ts";
import type { CheckedService } from "./schema.ts";
import type { EnvironmentConfig } from "./types.ts";

type At = (...keys: Key[]) => Key[];

const OWN_VARIABLES: ReadonlySet<string> = new Set([
  ...Object.values(PRELOAD_ENV),
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
  "LISTEN_PID",
]);

/** Names of variables; their values are never read. */
export function environmentFindings(
  env: EnvironmentConfig | undefined,
  at: readonly Key[],
): Finding[] {
  return Object.entries(env ?? {}).flatMap(([name, value]) => {
    const keys = [...at, name];
    // The value of a key such as "NAME=value" must not appear in a message.
    const shown = quoted(name.split("=")[0] ?? "");
    if (!isVariableName(name)) {
      const says = `has ${shown}, which cannot be the name of a variable: use letters, digits and "_".`;
      return [{ keys, label: at, says }];
    }
    if (OWN_VARIABLES.has(name)) return [{ keys, says: "is set by newel itself: leave it out." }];
    if (String(value).includes("\0")) return [{ keys, says: "has a NUL character in its value." }];
    return [];
  });
}

/** Variables of each profile. */
export function profileEnvFindings(
  profileEnv: Readonly<Record<string, EnvironmentConfig>> | undefined,
  at: readonly Key[],
): Finding[] {
  return Object.entries(profileEnv ?? {}).flatMap(([profile, env]) =>
    environmentFindings(env, [...at, profile]),
  );
}

/** A name that no variable can have, or that another setting has. */
export function instanceFindings({ instanceVar, env }: CheckedService, at: At): Finding[] {
  if (instanceVar === undefined) return [];
  const keys = at("instanceVar");
  if (!isVariableName(instanceVar))
    return [
      {
        keys,
        says: `is ${quoted(instanceVar)}; must be the name of a variable: letters, digits and "_".`,
      },
    ];
  if (instanceVar.startsWith("NEWEL_") || OWN_VARIABLES.has(instanceVar))
    return [{ keys, says: `is ${quoted(instanceVar)}, which is set by newel itself.` }];
  if (env?.[instanceVar] !== undefined)
    return [
      { keys, says: `is ${quoted(instanceVar)}, which "env" sets too: leave one of them out.` },
    ];
  return [];
}

/** A pattern of `passEnv` that names no variable of the caller. */
export function passFinding(pattern: string, keys: readonly Key[]): Finding[] {
  if (!/^(?:[A-Za-z_][A-Za-z0-9_]*)?\*?$/.test(pattern) || pattern === "")
    return [
      {
        keys,
        says: `is ${quoted(pattern.split("=")[0] ?? "")}; must be a name, or a beginning and "*": "AWS_*".`,
      },
    ];
  if (pattern.startsWith("NEWEL_"))
    return [{ keys, says: `is ${quoted(pattern)}; newel's own variables are never handed on.` }];
  return [];
}
