import { hasCode, messageOf, newelError } from "../base/errors.ts";
import {
  IPV6_ONLY,
  isMember,
  type ListenAnswer,
  listenAddress,
  type ListenReport,
} from "../base/listening.ts";
import type { SocketInfo } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import { isErrno } from "../posix/libc.ts";
import {
  coveredMembers,
  missingSpares,
  planHosts,
  toMembers,
  unusedMembers,
  type HostStep,
} from "./listen-plan.ts";

type Ask = Extract<ListenReport, { kind: "ask" }>;

/** Ends the name of a socket in a request for a process: all members of the group are meant. */
export const GROUP = "~*";

/** The input of the decisions about sockets. */
export interface ListeningParts {
  readonly kernel: KernelClient;
  readonly log: (text: string) => void;
}

/** How binding to one host ended. */
type Bound = { readonly name: string } | { readonly code: string } | "without";

/** The sockets without a configured host, of all apps: see listen-plan.ts for the rules. */
export class Listening {
  readonly #parts: ListeningParts;
  /** The members that living processes were given, by process. */
  readonly #given = new Map<string, ReadonlySet<string>>();
  /** The groups of which living processes may still ask for a member, by process. */
  readonly #undecided = new Map<string, ReadonlySet<string>>();
  /** One piece of work at a time for each group. */
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #counts = new Map<string, number>();
  #known: readonly SocketInfo[] = [];

  constructor(parts: ListeningParts) {
    this.#parts = parts;
  }

  /** A kernel whose `processes.make` takes groups among the sockets of a process. */
  wrap(kernel: KernelClient): KernelClient {
    const make: KernelClient["processes"]["make"] = async (request) => {
      const names = request.sockets ?? [];
      if (names.length === 0) return kernel.processes.make(request);
      const isGroup = (name: string): boolean => name.endsWith(GROUP);
      const groups = names.filter(isGroup).map((name) => name.slice(0, -GROUP.length));
      // The place of a socket in the list is its descriptor: members besides the first come last.
      const sockets = names.map((name) => (isGroup(name) ? name.slice(0, -GROUP.length) : name));
      for (const group of groups) {
        const members = await this.#provide(group);
        sockets.push(...members.filter((name) => name !== group));
      }
      this.#undecided.set(request.name, new Set(groups));
      this.#given.set(request.name, new Set(names.filter((name) => !isGroup(name))));
      try {
        return await kernel.processes.make({ ...request, sockets });
      } catch (error) {
        this.ended(request.name);
        throw error;
      }
    };
    return { ...kernel, processes: { ...kernel.processes, make } };
  }

  /** A process of an earlier supervisor: it may have been given any member. */
  adopt(process: string, groups: readonly string[]): void {
    const members = groups.flatMap((group) => this.#membersOf(group));
    this.#given.set(process, new Set(members.map(({ name }) => name)));
  }

  /** A process is gone; members that only it served are removed. */
  ended(process: string): void {
    const groups = new Set(this.#undecided.get(process));
    for (const name of this.#given.get(process) ?? []) groups.add(groupOf(name));
    this.#undecided.delete(process);
    this.#given.delete(process);
    for (const group of groups) this.#queue(group, () => this.#removeUnused(group));
  }

  /**
   * Answers a process that asks where it may listen.
   *
   * @param group - the kernel's name of the socket
   */
  answer(process: string, group: string, ask: Ask): Promise<ListenAnswer> {
    return this.#inTurn(group, async () => {
      await this.refresh();
      const has = new Set(ask.members.map((name) => group + name.slice(ask.target.length)));
      const members = (): ReturnType<typeof toMembers> =>
        this.#membersOf(group).filter(({ name }) => has.has(name));
      const own: string[] = [];
      const failures: { host: string; code: string }[] = [];
      for (const step of planHosts(ask.hosts, members())) {
        const bound = await this.#carryOut(step);
        if (bound === "without") return { kind: "none", id: ask.id };
        if ("code" in bound) failures.push({ host: step.host, code: bound.code });
        else own.push(bound.name);
      }
      const failure = failures.find(({ code }) => own.length === 0 || !isAbsence(code));
      if (failure !== undefined) return { kind: "failed", id: ask.id, ...failure };
      await this.refresh();
      const names = [...own, ...coveredMembers(ask.hosts, members(), own)];
      this.#given.set(process, new Set([...(this.#given.get(process) ?? []), ...names]));
      const others = [...(this.#undecided.get(process) ?? [])].filter((other) => other !== group);
      this.#undecided.set(process, new Set(others));
      await this.#removeUnused(group);
      return {
        kind: "bound",
        id: ask.id,
        sockets: names.map((name) => ask.target + name.slice(group.length)),
      };
    });
  }

  /** The addresses of a group, for messages; empty while no app has asked. */
  addresses(group: string): readonly string[] {
    return this.#membersOf(group).flatMap(({ name, host }) => {
      const port = this.#known.find((info) => info.name === name)?.port ?? 0;
      return host === undefined ? [] : [listenAddress(host, port)];
    });
  }

  /** Reads the sockets of the kernel after a change there. */
  async refresh(): Promise<void> {
    this.#known = await this.#parts.kernel.sockets.list();
  }

  /** The members for a process that is about to start: the bound ones, and a spare of each family. */
  #provide(group: string): Promise<readonly string[]> {
    return this.#inTurn(group, async () => {
      await this.refresh();
      // The first member has the name of the group.
      if (!this.#known.some(({ name }) => name === group))
        await this.#makeSpare(group, "inet", group);
      await this.refresh();
      for (const family of missingSpares(this.#membersOf(group)))
        await this.#makeSpare(group, family);
      await this.refresh();
      return this.#membersOf(group).map(({ name }) => name);
    });
  }

  async #makeSpare(group: string, family: "inet" | "inet6", wanted?: string): Promise<void> {
    const first = this.#known.find(({ name }) => isMember(name, group));
    if (first?.port === undefined) throw newelError("NEWEL_E_SOCKET_MISSING", { name: group });
    const { port, backlog } = first;
    const numbers = this.#known
      .filter(({ name }) => isMember(name, group))
      .map(({ name }) => Number(name.slice(group.length + 1)));
    const count = 1 + Math.max(1, this.#counts.get(group) ?? 0, ...numbers);
    this.#counts.set(group, count);
    try {
      await this.#parts.kernel.sockets.make({
        name: wanted ?? `${group}~${count}`,
        family,
        port,
        backlog,
        later: true,
      });
    } catch (error) {
      // A machine without IPv6.
      if (family === "inet" || !isErrno(error, "EAFNOSUPPORT")) throw error;
    }
  }

  async #carryOut(step: HostStep): Promise<Bound> {
    if (step.do === "without") return "without";
    if (step.do === "use") return { name: step.name };
    let code = "EADDRNOTAVAIL";
    for (const { name, host } of step.tries) {
      const address = host === IPV6_ONLY ? { host: "::", ipv6Only: true } : { host };
      try {
        await this.#parts.kernel.sockets.bind({ name, ...address });
        return { name };
      } catch (error) {
        code = errnoOf(error);
        if (!isAbsence(code)) break;
      }
    }
    return { code };
  }

  async #removeUnused(group: string): Promise<void> {
    const users = (name: string): number =>
      [...this.#given.values()].filter((names) => names.has(name)).length;
    const undecided = [...this.#undecided.values()].some((groups) => groups.has(group));
    for (const name of unusedMembers(this.#membersOf(group), users, undecided)) {
      this.#parts.log(`No process of ${group} listens on the address of ${name} any more.`);
      await this.#parts.kernel.sockets.remove(name);
    }
    await this.refresh();
  }

  #membersOf(group: string): ReturnType<typeof toMembers> {
    return toMembers(this.#known.filter(({ name }) => isMember(name, group)));
  }

  #inTurn<T>(group: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(group) ?? Promise.resolve();
    const done = before.then(work);
    this.#queues.set(
      group,
      done.catch(() => undefined),
    );
    return done;
  }

  #queue(group: string, work: () => Promise<void>): void {
    this.#inTurn(group, work).catch((error: unknown) =>
      this.#parts.log(`${group}: ${messageOf(error)}`),
    );
  }
}

/** The group that a socket of the kernel is a member of. */
export function groupOf(name: string): string {
  const end = name.indexOf("~");
  return end < 0 ? name : name.slice(0, end);
}

/** This machine does not have the family or the address. */
function isAbsence(code: string): boolean {
  return code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT";
}

/** @throws the error itself where it is no answer to bind(2) */
function errnoOf(error: unknown): string {
  if (hasCode(error, "NEWEL_E_ADDRESS_IN_USE")) return "EADDRINUSE";
  if (hasCode(error, "NEWEL_E_PORT_RIGHTS")) return "EACCES";
  const codes = ["EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL"];
  const code = codes.find((name) => isErrno(error, name));
  if (code === undefined) throw error;
  return code;
}
