import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

import { newelError, systemCode } from "../../base/errors.ts";
import type { Bus } from "../bus.ts";
import type { NewOwner } from "../plugin-channels.ts";

/** Options of `dropPrivileges`: the user, the group and the umask to run with. */
export interface PrivilegesOptions {
  /** Name or uid of the user to become. */
  readonly user: string | number;
  /** Name or gid of the group. Default: the user's primary one. */
  readonly group?: string | number;
  /** The umask from then on, for example `0o027`. */
  readonly umask?: number;
  /** Priority of the `start` listener. Default 77: after servers have bound their ports (75). */
  readonly priority?: number;
}

/** Node has this function, but its types lack it. */
type WithGroups = NodeJS.Process & { initgroups?(user: number, extraGroup: number): void };

/**
 * Drops root permanently when the bus starts: supplementary groups, then group, then user, in every
 * thread. The result is read back, and the start fails unless it is exactly the requested identity.
 * If there is nothing to drop, as in the next image after a restart, nothing happens.
 *
 * @throws NEWEL_E_BUS_PRIVILEGES from the `start` listener
 */
export function dropPrivileges(bus: Bus, options: PrivilegesOptions): void {
  const drop = (): void => {
    const owner = lookUp(options);
    if (options.umask !== undefined) process.umask(options.umask);
    if (mismatch(owner) === undefined) {
      bus.log(`Running as uid ${owner.uid} already`, "debug");
      return;
    }
    if (process.geteuid?.() !== 0)
      throw refused(options, `only root can; this process has uid ${process.geteuid?.()}`);
    bus.publish("privileges", owner);
    (process as WithGroups).initgroups?.(owner.uid, owner.gid);
    process.setgid?.(owner.gid);
    process.setuid?.(owner.uid);
    const wrong = mismatch(owner) ?? wayBack();
    if (wrong !== undefined) throw refused(options, wrong);
    bus.log(`Privileges dropped: uid ${owner.uid}, gid ${owner.gid}`);
  };
  bus.subscribe("start", drop, { name: "privileges", priority: options.priority ?? 77 });
}

function lookUp(options: PrivilegesOptions): NewOwner {
  const user = String(options.user);
  const uid = Number(id(options, ["-u", "--", user]));
  if (uid === 0) throw refused(options, "that user is root");
  const primary = Number(id(options, ["-g", "--", user]));
  const gid = options.group === undefined ? primary : groupId(options, options.group);
  const own = id(options, ["-G", "--", user]).split(" ").map(Number);
  // initgroups(3) uses the chosen group instead of the primary one.
  const others = own.filter((group) => group !== primary);
  return { uid, gid, groups: ascending([gid, ...others]) };
}

/** Queries the system's own databases, including LDAP; Node has no function for it. */
function id(options: PrivilegesOptions, args: string[]): string {
  try {
    return execFileSync("id", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  } catch (error) {
    throw refused(options, "there is no such user", error);
  }
}

function groupId(options: PrivilegesOptions, group: string | number): number {
  if (typeof group === "number") return group;
  try {
    const line = execFileSync("getent", ["group", group], { encoding: "utf8" });
    return Number(line.split(":")[2]);
  } catch (error) {
    throw refused(options, `there is no group ${group}`, error);
  }
}

/** The difference between the identity of this process and the wanted one, or `undefined`. */
function mismatch({ uid, gid, groups }: NewOwner): string | undefined {
  const expected = [uid, uid, gid, gid, ...groups].join(" ");
  const actual = [
    process.getuid?.(),
    process.geteuid?.(),
    process.getgid?.(),
    process.getegid?.(),
    ...ascending(process.getgroups?.() ?? []),
  ].join(" ");
  if (actual !== expected) return `uids, gids and groups are ${actual}, not ${expected}`;
  return threadMismatch(uid, gid);
}

/** The kernel keeps these for each thread; setuid(2) of the C library changes them all. */
function threadMismatch(uid: number, gid: number): string | undefined {
  if (process.platform !== "linux") return undefined;
  for (const thread of readdirSync("/proc/self/task")) {
    const status = readFileSync(`/proc/self/task/${thread}/status`, "utf8");
    for (const [key, wanted] of [
      ["Uid", uid],
      ["Gid", gid],
    ] as const) {
      const found = new RegExp(`^${key}:\\t(.*)$`, "m").exec(status)?.[1]?.split("\t") ?? [];
      if (found.length === 0 || found.some((value) => Number(value) !== wanted))
        return `thread ${thread} has ${key} ${found.join(" ")}`;
    }
  }
  return undefined;
}

function wayBack(): string | undefined {
  try {
    process.setuid?.(0);
  } catch (error) {
    return systemCode(error) === "EPERM" ? undefined : `setuid(0) failed with ${String(error)}`;
  }
  return "the process could become root again";
}

function ascending(numbers: readonly number[]): number[] {
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function refused({ user }: PrivilegesOptions, why: string, cause?: unknown): Error {
  return newelError("NEWEL_E_BUS_PRIVILEGES", { user: String(user), why }, cause);
}
