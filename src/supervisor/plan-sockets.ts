import { newelError } from "../base/errors.ts";
import type { SocketInfo, SocketRequest } from "../kernel/api.ts";
import { addressText, collide, followsApp } from "./config/sockets.ts";
import type { ResolvedConfig, ResolvedService, ResolvedSocket } from "./config/resolved.ts";
import { groupOf } from "./listening.ts";
import { socketName } from "./process-names.ts";

/** Sockets of a configuration, matched with those that the kernel holds. */
export interface SocketPlan {
  /** The configuration with the kernel's name of each socket filled in. */
  readonly config: ResolvedConfig;
  /** To be made before a process of the new configuration starts. */
  readonly make: readonly SocketRequest[];
  /** Settings that a socket in use keeps, for a message. */
  readonly notes: readonly string[];
}

/**
 * Gives each socket of a configuration its name in the kernel. A socket with the same address is kept,
 * under any former name; a socket with a new address gets a free name, so that the former one
 * serves until its successor does.
 *
 * @param held - every socket of the kernel
 * @param appOf - the app that uses a kernel socket now
 * @throws NEWEL_E_ADDRESS_TAKEN when another app has the address
 */
export function planSockets(
  config: ResolvedConfig,
  held: readonly SocketInfo[],
  appOf: (kernelName: string) => string | undefined,
): SocketPlan {
  const make: SocketRequest[] = [];
  const notes: string[] = [];
  const names = new Map<string, string>();
  const taken = new Set(held.map(({ name }) => name));
  for (const socket of config.sockets) {
    const same = findHeld(socket, config, held, appOf);
    if (same !== undefined) {
      names.set(socket.name, followsApp(socket) ? groupOf(same.name) : same.name);
      notes.push(...keptSettings(socket, same));
      continue;
    }
    const overlaps = hasOverlap(socket, config, held, appOf);
    const name = freeName(config.name, socket.name, taken);
    taken.add(name);
    names.set(socket.name, name);
    make.push({ ...socketRequest(name, socket), ...(overlaps ? { overlap: true } : {}) });
  }
  return { config: nameSockets(config, names), make, notes };
}

/** The kernel's request for a socket of a configuration. */
export function socketRequest(name: string, socket: ResolvedSocket): SocketRequest {
  const common = { name, backlog: socket.backlog };
  if (socket.path !== undefined) {
    return {
      ...common,
      path: socket.path,
      ...(socket.umask === undefined ? {} : { umask: socket.umask }),
      ...(socket.uid === undefined ? {} : { uid: socket.uid }),
      ...(socket.gid === undefined ? {} : { gid: socket.gid }),
    };
  }
  // Bound when its app listens; see listening.ts.
  if (followsApp(socket)) return { ...common, port: socket.port ?? 0, later: true };
  const host = socket.host ?? "::";
  return { ...common, family: host.includes(":") ? "inet6" : "inet", host, port: socket.port ?? 0 };
}

/** The services of a configuration that get a socket. */
export function servicesOf(config: ResolvedConfig, socket: string): readonly ResolvedService[] {
  return config.services.filter(
    ({ listen, enabled }) => enabled && listen.some(({ name }) => name === socket),
  );
}

function findHeld(
  socket: ResolvedSocket,
  config: ResolvedConfig,
  held: readonly SocketInfo[],
  appOf: (kernelName: string) => string | undefined,
): SocketInfo | undefined {
  // The configuration asks for any free port, and the existing socket of this name already has one.
  const found =
    socket.path === undefined && (socket.port ?? 0) === 0
      ? held.find((info) => isAnyPort(socket, info, config, appOf(info.name)))
      : held.find((info) => isSameAddress(socket, info));
  if (found === undefined) return undefined;
  if (isOwn(found.name, config, appOf)) return found;
  throw takenError(socket, config, found.name, appOf(found.name));
}

/** Its name there ends with the one it has here. */
function isAnyPort(
  socket: ResolvedSocket,
  info: SocketInfo,
  config: ResolvedConfig,
  app: string | undefined,
): boolean {
  const isOurs = app === config.name || info.name.startsWith(`${config.name}/`);
  return (
    isOurs &&
    info.name.endsWith(`/${socket.name}`) &&
    info.path === undefined &&
    sameHost(socket, info)
  );
}

function isSameAddress(socket: ResolvedSocket, info: SocketInfo): boolean {
  if (info.type !== "stream") return false;
  if (socket.path !== undefined) return socket.path === info.path;
  return info.path === undefined && socket.port === info.port && sameHost(socket, info);
}

/** A socket without a host is bound to the address on which its app listened first. */
function sameHost(socket: ResolvedSocket, info: SocketInfo): boolean {
  return socket.host === undefined || (socket.host === info.host && info.ipv6Only !== true);
}

/**
 * Whether the app has the port on another host now: both sockets are open until the former one has no user
 * any more; see hand-over.ts.
 *
 * @throws NEWEL_E_ADDRESS_TAKEN when another app has it
 */
function hasOverlap(
  socket: ResolvedSocket,
  config: ResolvedConfig,
  held: readonly SocketInfo[],
  appOf: (kernelName: string) => string | undefined,
): boolean {
  if (socket.path === undefined && (socket.port ?? 0) === 0) return false;
  const others = held.filter((info) => collide(socket, asSocket(info)));
  const foreign = others.find(({ name }) => !isOwn(name, config, appOf));
  if (foreign !== undefined) throw takenError(socket, config, foreign.name, appOf(foreign.name));
  return others.length > 0;
}

function isOwn(
  name: string,
  config: ResolvedConfig,
  appOf: (kernelName: string) => string | undefined,
): boolean {
  const app = appOf(name);
  return app === config.name || (app === undefined && name.startsWith(`${config.name}/`));
}

function takenError(
  socket: ResolvedSocket,
  config: ResolvedConfig,
  kernelName: string,
  app: string | undefined,
): Error {
  const [service] = servicesOf(config, socket.name);
  const by = { service: service?.name ?? config.name, address: addressText(socket) };
  if (app === undefined) {
    return newelError("NEWEL_E_ADDRESS_TAKEN", {
      ...by,
      owner: `newel's kernel holds it as the socket ${kernelName}, which no app uses`,
      step: `Remove it with \`newel kernel remove sockets ${kernelName}\`, or choose another address.`,
    });
  }
  return newelError("NEWEL_E_ADDRESS_TAKEN", {
    ...by,
    owner: `newel holds it for the app ${app}`,
    step: `Take it out of the configuration of ${app} and apply that first, end that app with \`newel down --app ${app}\`, or choose another address.`,
  });
}

function keptSettings(socket: ResolvedSocket, info: SocketInfo): string[] {
  const isOwned = socket.uid === info.uid && socket.gid === info.gid;
  if (socket.backlog === info.backlog && socket.umask === info.umask && isOwned) return [];
  const kept =
    socket.backlog !== info.backlog
      ? `its backlog of ${info.backlog}`
      : `the ${isOwned ? "umask" : "owner"} of its file`;
  return [`${addressText(socket)} keeps ${kept} until \`newel down\` and \`newel up\``];
}

/** `shop/web`, `shop/2/web`, …: programs see the part after the last slash in each. */
function freeName(app: string, socket: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? `${app}/${socket}` : `${app}/${number}/${socket}`;
    if (!taken.has(name)) return name;
  }
}

function asSocket({ name, backlog, host, port, path }: SocketInfo): ResolvedSocket {
  return {
    name,
    backlog,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(path === undefined ? {} : { path }),
  };
}

/** Fills in the kernel's names that a configuration lacks. */
export function nameSockets(
  config: ResolvedConfig,
  names: ReadonlyMap<string, string> = new Map(),
): ResolvedConfig {
  const named = (socket: ResolvedSocket): ResolvedSocket => ({
    ...socket,
    kernelName: names.get(socket.name) ?? socketName(config.name, socket),
  });
  return {
    ...config,
    sockets: config.sockets.map(named),
    services: config.services.map((service) => ({ ...service, listen: service.listen.map(named) })),
  };
}
