import { type CheckedIdentity, identityFindings } from "../config/identity.ts";
import type { At, Notes, Settings } from "./draft.ts";

/** A setting that only the system may grant, and its place in the other file. */
export interface Granted {
  readonly settings: CheckedIdentity;
  readonly at: At;
}

/**
 * `user`, `group`, `limits` and `nice` as far as this machine and this user grant them: a configuration that
 * `newel check` refuses would start nothing.
 */
export function grantedSettings(given: readonly (Granted | undefined)[], notes: Notes): Settings {
  let all: CheckedIdentity = {};
  for (const each of given) {
    if (each === undefined) continue;
    const [finding] = identityFindings(each.settings, (...keys) => keys);
    if (finding === undefined) {
      const limits = { ...all.limits, ...each.settings.limits };
      all = { ...all, ...each.settings, ...(Object.keys(limits).length === 0 ? {} : { limits }) };
    } else notes.dropped(each.at, `${finding.keys.join(".")} ${finding.says.replace(/\.$/, "")}`);
  }
  const { limits, ...others } = all;
  return { ...others, limits: limits === undefined ? undefined : { ...limits } };
}

/** A name, or a number of a user or group. */
export function account(text: string | undefined): string | number | undefined {
  if (text === undefined || text === "") return undefined;
  return /^\d+$/.test(text) ? Number(text) : text;
}
