import { addAbortListener } from "node:events";
import { Server } from "node:net";
import { getSystemErrorName } from "node:util";

import { messageOf } from "../base/errors.ts";

import { OWN_SERVER } from "../base/preload.ts";
import { comparablePath, holdBack, standIn, takeInherited } from "./inherited.ts";
import { listenArguments, listenOnHandle, type ServerHandle } from "./internals.ts";
import { report } from "./report.ts";
import type { Target } from "./settings.ts";

/** The supervisor's sockets have this backlog; the app's own, smaller one would shrink it for all. */
const BACKLOG = 4_096;

type Listen = (this: Server, ...args: unknown[]) => Server;

/** The app's listening on the sockets of the supervisor. */
export interface Inheritance {
  /** Each server that listens on an inherited socket, with the handle that accepts. */
  readonly taken: ReadonlyMap<Server, ServerHandle>;
  /** Begins to accept; from then on every `listen()` accepts at once. */
  accept(): void;
}

/** What listening needs of the rest of the preload. */
export interface ListenParts {
  readonly targets: readonly Target[];
  /** Listen, but accept nothing until {@link Inheritance.accept}. */
  readonly hold: boolean;
  /** Called for every server before it listens, inherited or not. */
  readonly onServer: (server: Server) => void;
  /** Called before a server gets a target; `false`: another process of the replica has it. */
  readonly onTarget: (target: Target) => boolean;
  /** Whether another process of the replica has a target. */
  readonly isElsewhere: (target: Target) => boolean;
  /** Called when every target has a server that listens, here or in another process. */
  readonly onReady: () => void;
}

/**
 * Gives the app's own `listen()` calls the inherited sockets: net, http, https, http2 and every
 * framework on them. A `listen()` on anything else goes on untouched.
 *
 * In a node:cluster primary the sockets that it opens for its workers are inherited too, since it
 * uses the same `listen()`; workers ask their primary as ever.
 *
 */
export function inheritListen(parts: ListenParts): Inheritance {
  const { targets, hold, onServer, onTarget, isElsewhere, onReady } = parts;
  const original = Reflect.get(Server.prototype, "listen") as Listen;
  const missing = new Set<Target>(targets);
  const handles = new Map<Target, { handle: ServerHandle; server: Server }>();
  const taken = new Map<Server, ServerHandle>();
  const held: (() => void)[] = [];
  let isHolding = hold;

  const listening = (target: Target): void => {
    if (missing.delete(target) && [...missing].every(isElsewhere)) onReady();
  };
  const take = (server: Server, target: Target): ServerHandle | undefined => {
    const first = handles.get(target);
    if (first !== undefined && taken.has(first.server)) return standIn(first.handle, true);
    if (first !== undefined) {
      // The descriptor went with the server, and Node has no way to make a second one of it.
      report(`the app has closed the socket ${target.name}; listen() does without it`);
      return undefined;
    }
    const handle = tryInherited(target);
    if (handle === undefined) return undefined;
    handles.set(target, { handle, server });
    if (isHolding) held.push(holdBack(handle, (errno) => failListen(server, errno)));
    taken.set(server, handle);
    server.once("close", () => taken.delete(server));
    return handle;
  };

  const listen = function (this: Server, ...args: unknown[]): Server {
    if (Reflect.has(this, OWN_SERVER)) return original.apply(this, args);
    onServer(this);
    const { options, callback } = listenArguments(args);
    const target = targets.find((candidate) => asksFor(options, candidate));
    if (target === undefined || this.listening) return original.apply(this, args);
    const handle = onTarget(target) ? take(this, target) : undefined;
    if (handle === undefined) {
      original.apply(this, args);
    } else {
      if (callback !== undefined) this.once("listening", callback);
      closeOnAbort(this, options["signal"]);
      listenOnHandle(this, handle, BACKLOG, target.path);
    }
    // After the app's own callback, so that READY is not said before the app knows.
    this.once("listening", () => listening(target));
    return this;
  };
  Server.prototype.listen = listen;

  return {
    taken,
    accept: () => {
      isHolding = false;
      for (const begin of held.splice(0)) begin();
    },
  };
}

// The app's listen() must not throw for a reason of ours.
function tryInherited(target: Target): ServerHandle | undefined {
  try {
    return takeInherited(target);
  } catch (error) {
    report(`the socket ${target.name} cannot be taken (${messageOf(error)})`);
    return undefined;
  }
}

function asksFor(options: Readonly<Record<string, unknown>>, target: Target): boolean {
  const { port, path, fd, handle, _handle } = options;
  // An app that reads LISTEN_FDS itself.
  if (typeof fd === "number") return fd === target.fd;
  if (fd !== undefined || handle !== undefined || _handle !== undefined) return false;
  if (target.port !== undefined) return Number(port) === target.port;
  if (typeof path !== "string" || target.path === undefined || port !== undefined) return false;
  return comparablePath(path) === comparablePath(target.path);
}

// As Node's own listen() does for `{ signal }`.
function closeOnAbort(server: Server, signal: unknown): void {
  if (!(signal instanceof AbortSignal)) return;
  const listener = addAbortListener(signal, () => server.close());
  server.once("close", () => listener[Symbol.dispose]());
}

function failListen(server: Server, errno: number): void {
  const code = getSystemErrorName(errno);
  server.emit(
    "error",
    Object.assign(new Error(`listen ${code}`), { code, errno, syscall: "listen" }),
  );
}
