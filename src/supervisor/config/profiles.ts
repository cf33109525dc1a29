import { closest } from "../../base/names.ts";
import { anyOf, type Finding, quoted } from "./problems.ts";
import type { CheckedService, CheckedTop } from "./schema.ts";
import type { EnvironmentConfig } from "./types.ts";

/** The profiles that are active: those of `--profile`, else those of NEWEL_PROFILES, each separated by commas. */
export function activeProfiles(
  asked: readonly string[] | undefined,
  caller: NodeJS.ProcessEnv,
): readonly string[] {
  const names = asked ?? (caller["NEWEL_PROFILES"] ?? "").split(",");
  return [...new Set(names.map((name) => name.trim()).filter((name) => name !== ""))].sort();
}

/** Whether a service is started: one without profiles always is. */
export function isInProfile({ profiles = [] }: CheckedService, active: readonly string[]): boolean {
  return profiles.length === 0 || profiles.some((name) => active.includes(name));
}

/** The variables of the active profiles, in the order in which the configuration has them. */
export function profileLayers(
  profileEnv: Readonly<Record<string, EnvironmentConfig>> | undefined,
  active: readonly string[],
): readonly EnvironmentConfig[] {
  return Object.entries(profileEnv ?? {}).flatMap(([name, env]) =>
    active.includes(name) ? [env] : [],
  );
}

/**
 * The profiles in `--profile` that the configuration does not have: with a typing error no service of the
 * profile would start.
 */
export function profileFindings(
  asked: readonly string[] | undefined,
  top: CheckedTop,
  services: ReadonlyMap<string, CheckedService>,
): Finding[] {
  const known = new Set([
    ...Object.keys(top.profileEnv ?? {}),
    ...[...services.values()].flatMap(({ profiles = [], profileEnv = {} }) => [
      ...profiles,
      ...Object.keys(profileEnv),
    ]),
  ]);
  return (asked ?? [])
    .filter((name) => !known.has(name))
    .map((name) => {
      const meant = closest(name, [...known]);
      const there =
        known.size === 0 ? "it has none" : `there are ${anyOf([...known]).replace(" or ", ", ")}`;
      const hint = meant === undefined ? `: ${there}.` : `. Did you mean ${quoted(meant)}?`;
      return { keys: [], label: [], says: `The file has no profile ${quoted(name)}${hint}` };
    });
}
