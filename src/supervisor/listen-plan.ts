import { covers, EVERY, familyOf, IPV6_ONLY } from "../base/listening.ts";
import type { SocketInfo } from "../kernel/api.ts";

/**
 * Decides where a socket without a configured host is bound: at the host of the app's own listen().
 * Such a socket is a group of sockets of the kernel, the members, which every replica inherits:
 *
 * | member | state |
 * |---|---|
 * | spare | not bound; one of each family for a replica that is about to start |
 * | bound, in use | a living process was given it |
 * | bound, unused | no living process was given it; see {@link unusedMembers} |
 *
 * A replica that asks for a host gets the member with exactly this host, bound for it if there is none,
 * and also every member that its host covers: clients of an address reach the most specific socket. So
 * a replica never serves an address that it did not ask for, and a change of host needs no pause: while
 * old and new replicas run, each serves its own addresses.
 */

/** The facts about a socket of a group that the decisions need. */
export interface Member {
  readonly name: string;
  readonly family: "inet" | "inet6";
  /** See src/base/listening.ts; missing for a spare. */
  readonly host?: string;
}

/** The members among sockets of the kernel. */
export function toMembers(sockets: readonly SocketInfo[]): Member[] {
  return sockets.flatMap(({ name, family, host, ipv6Only }) => {
    if (family === "unix") return [];
    if (host === undefined) return [{ name, family }];
    return [{ name, family, host: ipv6Only === true ? IPV6_ONLY : host }];
  });
}

/** The action for one of the hosts that a process asks for. */
export type HostStep =
  | { readonly do: "use"; readonly host: string; readonly name: string }
  /** Bind an unused socket of the kernel to the first of these hosts that this machine has. */
  | {
      readonly do: "bind";
      readonly host: string;
      readonly tries: readonly { readonly name: string; readonly host: string }[];
    }
  /** The process has no member that could have this host. */
  | { readonly do: "without"; readonly host: string };

/**
 * Plans the answer to a process.
 *
 * @param members - those that the process has
 */
export function planHosts(hosts: readonly string[], members: readonly Member[]): HostStep[] {
  return hosts.map((host): HostStep => {
    const found = exactly(host, members);
    if (found !== undefined) return { do: "use", host, name: found.name };
    const tries = candidates(host).flatMap((candidate) => {
      const spare = members.find(
        (member) => member.host === undefined && member.family === familyOf(candidate),
      );
      return spare === undefined ? [] : [{ name: spare.name, host: candidate }];
    });
    return tries.length === 0 ? { do: "without", host } : { do: "bind", host, tries };
  });
}

/** The bound members that a process serves in addition to those of its own hosts. */
export function coveredMembers(
  hosts: readonly string[],
  members: readonly Member[],
  own: readonly string[],
): string[] {
  return members
    .filter(({ name, host }) => host !== undefined && !own.includes(name) && isCovered(host, hosts))
    .map(({ name }) => name);
}

/**
 * Members that no process will serve: removed, so that their clients are refused instead of waiting.
 * While no process has any member, all of them stay for the next one.
 *
 * @param users - the living processes that were given a member
 * @param undecided - whether a living process may still ask for one
 */
export function unusedMembers(
  members: readonly Member[],
  users: (name: string) => number,
  undecided: boolean,
): string[] {
  const bound = members.filter(({ host }) => host !== undefined);
  if (undecided || !bound.some(({ name }) => users(name) > 0)) return [];
  return bound.filter(({ name }) => users(name) === 0).map(({ name }) => name);
}

/** The families that lack a spare. */
export function missingSpares(members: readonly Member[]): ("inet" | "inet6")[] {
  return (["inet", "inet6"] as const).filter(
    (family) => !members.some((member) => member.family === family && member.host === undefined),
  );
}

function candidates(host: string): readonly string[] {
  return host === EVERY ? ["::", "0.0.0.0"] : [host];
}

function exactly(host: string, members: readonly Member[]): Member | undefined {
  if (host !== EVERY) return members.find((member) => member.host === host);
  const both = members.find((member) => member.host === "::");
  if (both !== undefined) return both;
  // Without IPv6 no spare of that family was made.
  const hasIpv6 = members.some(({ family }) => family === "inet6");
  return hasIpv6 ? undefined : members.find((member) => member.host === "0.0.0.0");
}

function isCovered(host: string, hosts: readonly string[]): boolean {
  return hosts.some((wide) => covers(wide, host));
}
