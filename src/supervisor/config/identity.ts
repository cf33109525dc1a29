import { readFileSync } from "node:fs";
import * as v from "valibot";

import { closest } from "../../base/names.ts";
import { durationMs, sizeBytes, tryDurationMs, trySizeBytes } from "../../base/units.ts";
import { integer } from "./leaves.ts";
import { type Finding, type Key, quoted } from "./problems.ts";
import { settings } from "./settings.ts";
import type { LimitsConfig } from "./policy-types.ts";

// The settings of a process that only the system may grant: its user and group, its limits, its priority.

/** The valid settings of a service. */
export interface CheckedIdentity {
  readonly user?: string | number;
  readonly group?: string | number;
  readonly limits?: LimitsConfig;
  readonly nice?: number;
}

/** The user of a process, resolved when the configuration is read. */
export interface ResolvedIdentity {
  readonly uid?: number;
  readonly gid?: number;
  /** HOME, USER, LOGNAME and SHELL of the user: they replace those of the caller. */
  readonly variables: Readonly<Record<string, string>>;
}

const HIGHEST_ID = 4_294_967_294;
const MOST = 2 ** 31;

const account = (want: string): v.GenericSchema<unknown, string | number> =>
  v.custom<string | number>(
    (value) =>
      (typeof value === "string" && /^[^\s:\0]+$/.test(value)) ||
      (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= HIGHEST_ID),
    want,
  );

const amount = v.custom<number | "unlimited">(
  (value) =>
    value === "unlimited" ||
    (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MOST),
  'must be a whole number, or "unlimited".',
);

const bytes = v.custom<LimitsConfig["core"] & {}>(
  (value) =>
    value === "unlimited" ||
    value === 0 ||
    (typeof value === "string" && trySizeBytes(value) !== undefined),
  'must be a size such as "512MB", 0, or "unlimited".',
);

const time = v.custom<LimitsConfig["cpu"] & {}>(
  (value) =>
    value === "unlimited" || (typeof value === "string" && (tryDurationMs(value) ?? 0) >= 1_000),
  'must be a duration of at least "1s", or "unlimited".',
);

const may = v.exactOptional;

type Optional<Value> = v.ExactOptionalSchema<v.GenericSchema<unknown, Value>, undefined>;

interface IdentitySettings {
  readonly user: Optional<string | number>;
  readonly group: Optional<string | number>;
  readonly limits: Optional<LimitsConfig>;
  readonly nice: Optional<number>;
}

/** For the schema of a service. */
export const identitySettings: IdentitySettings = {
  user: may(account('must be the name of a user, or a uid: "www-data".')),
  group: may(account('must be the name of a group, or a gid: "www-data".')),
  limits: may(
    settings("limits", {
      nofile: may(amount),
      nproc: may(amount),
      core: may(bytes),
      as: may(bytes),
      data: may(bytes),
      stack: may(bytes),
      fsize: may(bytes),
      memlock: may(bytes),
      cpu: may(time),
    }),
  ),
  nice: may(integer(-20, 19)),
};

/** Users and groups that do not exist, and rights that only root has. */
export function identityFindings(
  service: CheckedIdentity,
  at: (...keys: Key[]) => Key[],
): Finding[] {
  const isRoot = process.getuid?.() === 0;
  const { user, group, limits = {}, nice = 0 } = service;
  return [
    ...accountFindings(
      user,
      "user",
      at("user"),
      isRoot || isOwn(user, "/etc/passwd", process.getuid?.()),
    ),
    ...accountFindings(
      group,
      "group",
      at("group"),
      isRoot || isOwn(group, "/etc/group", process.getgid?.()),
    ),
    ...(nice < 0 && !isRoot
      ? [
          {
            keys: at("nice"),
            says: `is ${nice}; only root may raise a priority: run newel as root, or take 0 to 19.`,
          },
        ]
      : []),
    ...(isRoot ? [] : limitFindings(limits, at)),
  ];
}

function accountFindings(
  given: string | number | undefined,
  kind: "user" | "group",
  keys: readonly Key[],
  mayBecome: boolean,
): Finding[] {
  if (given === undefined) return [];
  const shown = typeof given === "string" ? quoted(given) : String(given);
  const file = kind === "user" ? "/etc/passwd" : "/etc/group";
  if (lineOf(file, given) === undefined && !/^\d+$/.test(String(given))) {
    const meant = closest(String(given), namesIn(file));
    const hint = meant === undefined ? "" : ` Did you mean ${quoted(meant)}?`;
    return [{ keys, says: `is ${shown}; ${file} has no such ${kind}.${hint}` }];
  }
  if (mayBecome) return [];
  const says = `is ${shown}; only root may start a process as another ${kind}: run newel as root, or leave it out.`;
  return [{ keys, says }];
}

function isOwn(given: string | number | undefined, file: string, own: number | undefined): boolean {
  if (given === undefined) return true;
  return Number(lineOf(file, given)?.[2] ?? given) === own;
}

/** A limit above the hard one of this user could not be set. */
function limitFindings(limits: LimitsConfig, at: (...keys: Key[]) => Key[]): Finding[] {
  const hard = hardLimits();
  return Object.entries(resolveLimits(limits)).flatMap(([name, value]) => {
    const most = hard.get(name);
    if (most === undefined || (value !== "unlimited" && value <= most)) return [];
    const says = `is ${value}, but the hard limit of this user is ${most}: take less, raise that limit, or run newel as root.`;
    return [{ keys: at("limits", name), says }];
  });
}

const NAMES_IN_PROC: Readonly<Record<string, string>> = {
  "Max open files": "nofile",
  "Max processes": "nproc",
  "Max core file size": "core",
  "Max address space": "as",
  "Max data size": "data",
  "Max stack size": "stack",
  "Max file size": "fsize",
  "Max locked memory": "memlock",
  "Max cpu time": "cpu",
};

/** Without those that are unlimited. */
function hardLimits(): ReadonlyMap<string, number> {
  const lines = readFileSync("/proc/self/limits", "latin1").split("\n");
  return new Map(
    lines.flatMap((line) => {
      const [, title = "", hard = ""] = /^(Max \S+(?: \S+)*?) {2,}\S+ +(\S+)/.exec(line) ?? [];
      const name = NAMES_IN_PROC[title];
      return name === undefined || hard === "unlimited" ? [] : [[name, Number(hard)] as const];
    }),
  );
}

/** The limits as numbers: bytes, seconds, counts. */
export function resolveLimits(limits: LimitsConfig): Record<string, number | "unlimited"> {
  const number = (name: string, value: string | number): number | "unlimited" => {
    if (value === "unlimited" || typeof value === "number") return value;
    return name === "cpu" ? Math.ceil(durationMs(value) / 1_000) : sizeBytes(value);
  };
  return Object.fromEntries(
    Object.entries(limits).map(([name, value]) => [name, number(name, value)]),
  );
}

/** The ids of a user and a group, and the variables of the user; `undefined` where neither is given. */
export function resolveIdentity({ user, group }: CheckedIdentity): ResolvedIdentity | undefined {
  if (user === undefined && group === undefined) return undefined;
  const line = user === undefined ? undefined : lineOf("/etc/passwd", user);
  const uid = user === undefined ? undefined : Number(line?.[2] ?? user);
  const ownGroup = line?.[3] === undefined ? undefined : Number(line[3]);
  const gid = group === undefined ? ownGroup : Number(lineOf("/etc/group", group)?.[2] ?? group);
  const [name = "", , , , , home = "", shell = ""] = line ?? [];
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    variables:
      name === ""
        ? {}
        : { HOME: home, USER: name, LOGNAME: name, ...(shell === "" ? {} : { SHELL: shell }) },
  };
}

function lineOf(file: string, nameOrId: string | number): string[] | undefined {
  return linesOf(file).find(([name, , id]) =>
    /^\d+$/.test(String(nameOrId)) ? id === String(nameOrId) : name === nameOrId,
  );
}

function namesIn(file: string): string[] {
  return linesOf(file).map(([name = ""]) => name);
}

function linesOf(file: string): string[][] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split(":"));
}
