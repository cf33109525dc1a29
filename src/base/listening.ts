import { isIP, isIPv4, isIPv6 } from "node:net";

/**
 * The hosts of listening sockets, as the preload and the supervisor write them, and the lines of their
 * protocol: the preload writes `LISTEN=…` to its notify descriptor, the supervisor answers over the control
 * socket of the process.
 *
 * A host is an IP address, or one of two words:
 * - `every`: listen() without a host, which is `::` with IPv4, or `0.0.0.0` where there is no IPv6;
 * - `ipv6-only`: `::` without IPv4.
 */

export const EVERY = "every";
export const IPV6_ONLY = "ipv6-only";
/** The addresses of `localhost` for the address families that this machine has. */
export const LOOPBACK: readonly string[] = ["127.0.0.1", "::1"];

/** How many hosts one listen() can have. */
const HOSTS_LIMIT = 8;

/** The canonical spelling of an IP address; `undefined` for other text, and for a scoped address. */
export function toHost(text: string): string | undefined {
  if (isIP(text) === 0 || text.includes("%")) return undefined;
  if (isIPv4(text)) return text;
  // Loaded here, because most programs that import this module never ask.
  const { SocketAddress } = process.getBuiltinModule("node:net");
  return new SocketAddress({ family: "ipv6", address: text }).address;
}

/** Whether a socket is a member of a socket without a host: `web` or `web~2` of `web`. */
export function isMember(name: string, socket: string): boolean {
  return name === socket || name.startsWith(`${socket}~`);
}

/** The family of the socket that listens on a host. */
export function familyOf(host: string): "inet" | "inet6" {
  return isIPv4(host) ? "inet" : "inet6";
}

/** Whether every client that reaches `narrow` also reaches `wide`. */
export function covers(wide: string, narrow: string): boolean {
  if (wide === narrow || wide === EVERY || wide === "::") return true;
  const isMapped = narrow.startsWith("::ffff:");
  if (wide === "0.0.0.0") return isIPv4(narrow) || isMapped;
  if (wide === IPV6_ONLY) return isIPv6(narrow) && narrow !== "::" && !isMapped;
  return false;
}

/** Whether every client that reaches a socket of this host is among the clients of the asked hosts. */
export function isWithin(host: string, asked: readonly string[]): boolean {
  return asked.some((wide) => covers(wide, host));
}

/** An address in readable form, as in `listen` of the configuration: `127.0.0.1:3000`, `[::1]:3000`. */
export function listenAddress(host: string, port: number): string {
  if (host === EVERY) return `every address, port ${port}`;
  if (host === IPV6_ONLY) return `[::]:${port} without IPv4`;
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The line of the configuration that makes newel listen at an app's hosts. */
export function listenSetting(hosts: readonly string[], port: number): string {
  const entries = hosts.map((host) =>
    host === EVERY || host === IPV6_ONLY ? String(port) : JSON.stringify(listenAddress(host, port)),
  );
  return `listen: ${entries.length === 1 ? entries.join("") : `[${entries.join(", ")}]`}`;
}

/** A report of a process about its listen() calls. */
export type ListenReport =
  /**
   * The process asks for the socket of a target at these hosts, and has these of them; repeated until it is
   * answered.
   */
  | {
      readonly kind: "ask";
      readonly id: number;
      readonly target: string;
      readonly hosts: readonly string[];
      readonly members: readonly string[];
    }
  /** The process listens on a port that its configuration does not have. */
  | { readonly kind: "elsewhere"; readonly port: number }
  /** The process was refused a socket; the text gives the reason and the correction. */
  | { readonly kind: "refused"; readonly why: string };

/** The text after `LISTEN=`. */
export function formatReport(report: ListenReport): string {
  switch (report.kind) {
    case "ask":
      return `ask ${report.id} ${report.target} ${report.hosts.join(" ")} of ${report.members.join(" ")}`;
    case "elsewhere":
      return `elsewhere ${report.port}`;
    case "refused":
      return `refused ${report.why.replaceAll(/\s+/g, " ")}`;
  }
}

/** Reads a report, which any process of a service may have written; `undefined` for any other text. */
export function parseReport(text: string): ListenReport | undefined {
  const refused = /^refused (.{1,1000})$/.exec(text)?.[1];
  if (refused !== undefined) return { kind: "refused", why: refused };
  const port = /^elsewhere (\d{1,5})$/.exec(text)?.[1];
  if (port !== undefined) return { kind: "elsewhere", port: Number(port) };
  const asked = /^ask (\d{1,9}) (\S+) (\S.*?) of(?: (\S.*))?$/.exec(text);
  const [, id, target, list = "", names] = asked ?? [];
  if (id === undefined || target === undefined) return undefined;
  const hosts = list.split(" ");
  const known = hosts.every(
    (host) => host === EVERY || host === IPV6_ONLY || toHost(host) === host,
  );
  if (!known || hosts.length > HOSTS_LIMIT) return undefined;
  const members = (names?.split(" ") ?? []).filter((name) => isMember(name, target));
  return { kind: "ask", id: Number(id), target, hosts, members };
}

/** The answer to an `ask`. */
export type ListenAnswer =
  /** These inherited sockets are bound: listen on them. */
  | { readonly kind: "bound"; readonly id: number; readonly sockets: readonly string[] }
  /** Listening failed as it would have without newel: EADDRINUSE and the like. */
  | { readonly kind: "failed"; readonly id: number; readonly code: string; readonly host: string }
  /** None of this process's sockets can be bound there: the app may listen by itself. */
  | { readonly kind: "none"; readonly id: number };

/** The control line of an answer, without its first word. */
export function formatAnswer(answer: ListenAnswer): string {
  switch (answer.kind) {
    case "bound":
      return `${answer.id} bound ${answer.sockets.join(" ")}`;
    case "failed":
      return `${answer.id} failed ${answer.code} ${answer.host}`;
    case "none":
      return `${answer.id} none`;
  }
}

/** Reads the control line of an answer, without its first word. */
export function parseAnswer(text: string): ListenAnswer | undefined {
  const [number = "", kind, ...words] = text.split(" ");
  if (!/^\d{1,9}$/.test(number)) return undefined;
  const id = Number(number);
  const [code, host] = words;
  if (kind === "bound" && words.length > 0) return { kind, id, sockets: words };
  if (kind === "failed" && code !== undefined && host !== undefined)
    return { kind, id, code, host };
  return kind === "none" ? { kind, id } : undefined;
}
