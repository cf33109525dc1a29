import type { PortRange } from "./port-range.ts";
import { type Finding, type Key, quoted } from "./problems.ts";
import type { ResolvedSocket } from "./resolved.ts";
import type { CheckedService } from "./schema.ts";
import type { EnvironmentConfig } from "./types.ts";

// References of the configuration: `$(socket.NAME.fileno)` and `$(socket.NAME.port)` for a socket of the
// service's `listen`, `$(replica)`, and `$(port)` for the replica's port of `portRange`. They stand in `run`, `args`,
// `nodeArgs` and `env`. Those to sockets are replaced when the configuration is read, because everything about them is
// known then; the numbers of the replica at each start.

/** The number of a process's first socket, by systemd's protocol; the others follow in the order of `listen`. */
const FIRST_DESCRIPTOR = 3;

const REPLICA = "$(replica)";
const PORT = "$(port)";
const REFERENCE = /\$\(socket\.([^)]*)(\)?)/g;
const PARTS = /^(.+)\.(fileno|port)$/;

/** A text with each reference to a socket replaced. */
export function expandSockets(text: string, listen: readonly ResolvedSocket[]): string {
  return text.replaceAll(REFERENCE, (whole, inner: string) => {
    const [, name, part] = PARTS.exec(inner) ?? [];
    const index = listen.findIndex((socket) => socket.name === name);
    const value = part === "fileno" ? FIRST_DESCRIPTOR + index : listen[index]?.port;
    // A reference that cannot be replaced was refused before.
    return index === -1 || value === undefined ? whole : String(value);
  });
}

/** The variables of an `env` with each reference to a socket replaced. */
export function expandVariables(
  env: EnvironmentConfig | undefined,
  listen: readonly ResolvedSocket[],
): EnvironmentConfig {
  const entries = Object.entries(env ?? {}).map(([name, value]) => [
    name,
    typeof value === "string" ? expandSockets(value, listen) : value,
  ]);
  return Object.fromEntries(entries) as EnvironmentConfig;
}

/** The numbers that references of a replica stand for. */
export interface ReplicaNumbers {
  /** 1 for `web.1`. */
  readonly replica: number;
  /** Its port; missing without `portRange`. */
  readonly port?: number | undefined;
}

/** Whether a text has a reference to a number of the replica. */
export function namesReplica(text: string): boolean {
  return text.includes(REPLICA) || text.includes(PORT);
}

/** Whether a text has any reference. */
export function namesReference(text: string): boolean {
  return namesReplica(text) || text.includes("$(socket.");
}

/** A text with each `$(replica)` and `$(port)` replaced. Without a port, `$(port)` is the shell's. */
export function expandReplica(text: string, { replica, port }: ReplicaNumbers): string {
  const numbered = text.replaceAll(REPLICA, String(replica));
  return port === undefined ? numbered : numbered.replaceAll(PORT, String(port));
}

/** The text of a probe with its `$(port)` as the port of the first replica. */
export function atFirstPort(text: string, range: PortRange | undefined): string {
  return range === undefined ? text : text.replaceAll(PORT, String(range.first));
}

/** Whether a probe asks each replica at its own port. */
export function namesPort(text: string): boolean {
  return text.includes(PORT);
}

/** References of a service that have no value: its command and its own `env`. */
export function referenceFindings(
  service: CheckedService,
  listen: readonly ResolvedSocket[],
  at: (...keys: Key[]) => Key[],
): readonly Finding[] {
  const words = (["run", "args", "nodeArgs"] as const).flatMap((key) => {
    const value = service[key] ?? [];
    if (typeof value === "string") return [{ text: value, keys: at(key) }];
    return value.map((text, index) => ({ text, keys: at(key, index) }));
  });
  return [
    ...words.flatMap(({ text, keys }) => problemsOf(text, listen).map((says) => ({ keys, says }))),
    ...variableFindings(service.env, listen, at("env")),
    ...portFindings(service, words, at),
  ];
}

/** `$(port)` without ports; in a `run` text it is a command of the shell. */
function portFindings(
  { portRange, run, ready, env }: CheckedService,
  words: readonly { readonly text: string; readonly keys: readonly Key[] }[],
  at: (...keys: Key[]) => Key[],
): readonly Finding[] {
  if (portRange !== undefined) return [];
  const probes = (["http", "tcp"] as const).map((key) => ({
    text: ready?.[key] ?? "",
    keys: at("ready", key),
  }));
  const variables = Object.entries(env ?? {}).map(([name, value]) => ({
    text: String(value),
    keys: at("env", name),
  }));
  return [...(typeof run === "string" ? [] : words), ...probes, ...variables]
    .filter(({ text }) => namesPort(text))
    .map(({ keys }) => ({
      keys,
      says: 'has $(port), but the service has no "portRange": write one, such as portRange: "3001-3010".',
    }));
}

/**
 * References in the `env` of the app, which every service gets.
 *
 * @param services - each enabled service with the sockets of its `listen`
 */
export function sharedFindings(
  env: EnvironmentConfig | undefined,
  services: readonly { readonly name: string; readonly listen: readonly ResolvedSocket[] }[],
): readonly Finding[] {
  const findings = services.flatMap(({ name, listen }) =>
    variableFindings(env, listen, ["env"]).map((finding) => ({
      ...finding,
      says: finding.says.replace("this service", `the service ${quoted(name)}`),
    })),
  );
  // One finding is enough, for the first service.
  const isFirst = ({ keys }: Finding, index: number): boolean =>
    findings.findIndex((other) => other.keys[1] === keys[1]) === index;
  return findings.filter(isFirst);
}

function variableFindings(
  env: EnvironmentConfig | undefined,
  listen: readonly ResolvedSocket[],
  at: readonly Key[],
): readonly Finding[] {
  return Object.entries(env ?? {}).flatMap(([name, value]) =>
    problemsOf(String(value), listen).map((says) => ({ keys: [...at, name], says })),
  );
}

function problemsOf(text: string, listen: readonly ResolvedSocket[]): string[] {
  return [...text.matchAll(REFERENCE)].flatMap(([, inner = "", closing]) => {
    if (closing === "") return [`has "$(socket." without its ")".`];
    const [, name = "", part] = PARTS.exec(inner) ?? [];
    if (part === undefined)
      return [
        `has ${quoted(`$(socket.${inner})`)}; write $(socket.NAME.fileno) or $(socket.NAME.port).`,
      ];
    const socket = listen.find((each) => each.name === name);
    if (socket === undefined)
      return [`asks for the socket ${quoted(name)}, which is not in "listen" of this service.`];
    if (part === "port" && socket.port === undefined)
      return [`asks for the port of ${quoted(name)}, which is a Unix socket and has none.`];
    return [];
  });
}
