/**
 * The data that an image of a program passes to the next one over execve, in the environment:
 * descriptors by name, and the number of earlier images. It is read once and removed, so that no
 * child sees it.
 */
export interface Inheritance {
  /** The number of times that this process replaced its program: 0 for the first image. */
  readonly generation: number;
  /** Descriptors by the name under which they were passed, not taken yet. */
  readonly descriptors: Map<string, number>;
  /** Whether this process is a daemon already. */
  readonly daemon: boolean;
  /** The pid of a child that held signals back for this image, and must be reaped. */
  readonly guard: number | undefined;
  /** The number of restarts that were requested in the meantime. */
  readonly owed: number;
  /** Whether it has just become a daemon, and its launcher waits for the result. */
  readonly launched: boolean;
}

/** The data that is written into the environment of the next image. */
export interface Estate {
  readonly generation: number;
  readonly descriptors: Readonly<Record<string, number>>;
  readonly daemon: boolean;
  readonly guard?: number;
  readonly owed: number;
}

/** Set by the launcher of a daemon, for the daemon alone. */
export const DAEMON = "NEWEL_BUS_DAEMON";

const VARIABLE = "NEWEL_BUS_INHERIT";

let read: Inheritance | undefined;

/**
 * The data from the previous image, and the sockets that systemd passed (LISTEN_FDS) by their
 * names.
 */
export function inheritance(): Inheritance {
  if (read !== undefined) return read;
  const text = process.env[VARIABLE];
  const launched = process.env[DAEMON] === "1";
  delete process.env[VARIABLE];
  delete process.env[DAEMON];
  const estate = text === undefined ? undefined : parseEstate(text);
  read = {
    generation: estate?.generation ?? 0,
    descriptors: new Map([
      ...systemdSockets(process.env),
      ...Object.entries(estate?.descriptors ?? {}),
    ]),
    daemon: launched || (estate?.daemon ?? false),
    guard: estate?.guard,
    owed: estate?.owed ?? 0,
    launched,
  };
  return read;
}

/** Takes the descriptor that was passed under a name; a second call finds none. */
export function takeInherited(name: string): number | undefined {
  const { descriptors } = inheritance();
  const fd = descriptors.get(name);
  descriptors.delete(name);
  return fd;
}

/** The environment with which the next image finds its inheritance. */
export function leaveEstate(
  environment: NodeJS.ProcessEnv,
  estate: Estate,
): Record<string, string> {
  const next: Record<string, string> = { [VARIABLE]: JSON.stringify(estate) };
  for (const [key, value] of Object.entries(environment))
    if (value !== undefined && key !== VARIABLE) next[key] = value;
  return next;
}

function parseEstate(text: string): Estate | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Another program's variable of this name: there is nothing to inherit.
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { generation, descriptors, daemon, guard, owed } = value as Record<string, unknown>;
  const entries = Object.entries(
    typeof descriptors === "object" && descriptors !== null ? descriptors : {},
  );
  return {
    generation: typeof generation === "number" ? generation : 0,
    descriptors: Object.fromEntries(
      entries.filter((entry): entry is [string, number] => Number.isInteger(entry[1])),
    ),
    daemon: daemon === true,
    owed: typeof owed === "number" ? owed : 0,
    ...(typeof guard === "number" ? { guard } : {}),
  };
}

const FIRST_SYSTEMD_FD = 3;

/** sd_listen_fds(3): descriptors from 3 on, meant for this process alone. */
function systemdSockets(environment: NodeJS.ProcessEnv): [string, number][] {
  if (environment["LISTEN_PID"] !== String(process.pid)) return [];
  const count = Number(environment["LISTEN_FDS"] ?? 0);
  const names = (environment["LISTEN_FDNAMES"] ?? "").split(":");
  for (const key of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete environment[key];
  return Array.from({ length: count }, (_, index) => [
    names[index] || `LISTEN_FD_${index}`,
    FIRST_SYSTEMD_FD + index,
  ]);
}
