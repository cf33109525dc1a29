import { readFileSync } from "node:fs";

import { covers } from "../base/listening.ts";
import { messageOf } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";
import type { SocketInfo } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { groupOf } from "./listening.ts";
import { socketName } from "./process-names.ts";
import type { Replica } from "./replica.ts";

/** The longest wait for the clients of a socket to be accepted, in milliseconds. */
const LIMIT_MS = 5_000;
const POLL_MS = 10;
const SYN_RECEIVED = "03";

/**
 * A service that moves to a wider host on the same port, such as from 127.0.0.1 to 0.0.0.0, has two sockets
 * for a while, and Linux gives each client to the narrower one. So before the last replica with the narrower
 * socket is stopped, new clients are left to the wider one, and that replica accepts the clients that wait.
 * The way back needs no such step: new clients reach the narrower socket as soon as it is bound.
 */

export interface HandOverParts {
  readonly kernel: KernelClient;
  readonly app: string;
  /** Whether another living replica of the app has a socket, by its name in the kernel. */
  readonly isServed: (socket: string, except: Replica) => boolean;
  readonly log: (text: string) => void;
}

/** Moves the waiting connections of a replica that will be stopped to the sockets of the next configuration. */
export async function handOver(
  replica: Replica,
  next: ResolvedService,
  { kernel, app, isServed, log }: HandOverParts,
): Promise<void> {
  try {
    const held = await kernel.sockets.list();
    for (const socket of handedOver(app, replica.spec, next, held))
      if (!isServed(socket.name, replica)) await retire(kernel, socket);
  } catch (error) {
    // The stop must not fail for the sake of a few clients.
    log(`${replica.name}: the clients of its sockets are not handed over: ${messageOf(error)}`);
  }
}

/**
 * The sockets of a former configuration whose clients the sockets of the next one take over.
 *
 * @param held - the sockets of the kernel
 */
function handedOver(
  app: string,
  former: ResolvedService,
  next: ResolvedService,
  held: readonly SocketInfo[],
): SocketInfo[] {
  const namesOf = ({ listen }: ResolvedService): Set<string> =>
    new Set(listen.map((socket) => socketName(app, socket)));
  const before = namesOf(former);
  const after = namesOf(next);
  const has = (names: ReadonlySet<string>, { name }: SocketInfo): boolean =>
    names.has(name) || names.has(groupOf(name));
  const successors = held.filter((info) => has(after, info));
  return held.filter(
    (info) =>
      has(before, info) &&
      !has(after, info) &&
      successors.some((successor) => takesClientsOf(successor, info)),
  );
}

function takesClientsOf(wide: SocketInfo, narrow: SocketInfo): boolean {
  if (wide.host === undefined || narrow.host === undefined || narrow.type !== "stream")
    return false;
  return wide.port === narrow.port && wide.ipv6Only !== true && covers(wide.host, narrow.host);
}

/** Leaves new clients of a socket to its successor; resolves once its processes have accepted the others. */
async function retire(kernel: KernelClient, { name, port }: SocketInfo): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  let sockets = await kernel.sockets.retire(name);
  // Handshakes that have begun end in the queue of this socket, later ones in that of its successor.
  const begun = handshakes(port ?? 0);
  const isBusy = (): boolean => {
    const now = handshakes(port ?? 0);
    return sockets.some(({ waiting }) => waiting > 0) || [...begun].some((each) => now.has(each));
  };
  while (isBusy() && performance.now() < deadline) {
    await sleep(POLL_MS);
    sockets = await kernel.sockets.retire(name);
  }
}

/** The clients whose handshake with a TCP port has begun and is not complete. */
function handshakes(port: number): Set<string> {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) => {
    const text = readTable(file);
    return text.split("\n").map((row) => row.trim().split(/\s+/));
  });
  return new Set(
    rows.flatMap(([, to = "", from = "", state]) =>
      state === SYN_RECEIVED && to.endsWith(local) ? [`${to} ${from}`] : [],
    ),
  );
}

/** Empty where the machine does not have the family. */
function readTable(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
