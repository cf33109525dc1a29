import { networkInterfaces } from "node:os";
import { resolve } from "node:path";

import type { ResolvedSocket } from "./resolved.ts";
import { runsNode } from "./runs-node.ts";
import type { CheckedService } from "./schema.ts";
import { followsApp, listenSockets } from "./sockets.ts";
import type { EnvironmentConfig } from "./types.ts";

/** The parts of an app's configuration that its services share. */
interface AppContext {
  /** Of the configuration file. */
  readonly directory: string;
  readonly env: EnvironmentConfig | undefined;
  /** The caller's PATH. */
  readonly path: string | undefined;
}

/**
 * The sockets without a host that no app decides about: one that is not passed through the preload, or
 * that is referred to, has to be bound before its program starts. It is bound to every address.
 *
 * @returns their names
 */
export function undecidedSockets(
  declared: readonly ResolvedSocket[],
  services: ReadonlyMap<string, CheckedService>,
  app: AppContext,
): ReadonlySet<string> {
  const enabled = [...services.values()].filter((service) => service.enabled !== false);
  const names = enabled.flatMap((service) =>
    listenSockets(service, declared)
      .filter(({ name }) => !asks(service, name, app))
      .map(({ name }) => name),
  );
  return new Set(names);
}

/** The socket with its address, where no app decides about it. */
export function placeSocket(
  socket: ResolvedSocket,
  undecided: ReadonlySet<string>,
): ResolvedSocket {
  if (socket.path !== undefined || socket.host !== undefined) return socket;
  if (followsApp(socket) && !undecided.has(socket.name)) return socket;
  return { ...socket, host: everyAddress() };
}

/** Whether the programs of a service ask for the address of a socket, as the preload does in Node.js. */
function asks(service: CheckedService, socket: string, app: AppContext): boolean {
  const { node, run = [], args, nodeArgs, env } = service;
  const reference = `$(socket.${socket}.fileno)`;
  if (JSON.stringify([run, args, nodeArgs, env, app.env]).includes(reference)) return false;
  const cwd = resolve(app.directory, service.cwd ?? ".");
  return node !== undefined || runsNode(run, cwd, app.path);
}

/** The address of `app.listen(3000)`: every IPv6 and IPv4 address, or IPv4 alone where there is no IPv6. */
function everyAddress(): string {
  const addresses = Object.values(networkInterfaces()).flat();
  return addresses.some((address) => address?.family === "IPv6") ? "::" : "0.0.0.0";
}
