import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import net, { isIP, type Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { preloadPath } from "../../src/base/modules.ts";
import { withPreload } from "../../src/base/node-options.ts";
import { controlSocketPath, PRELOAD_ENV, type ListenTarget } from "../../src/base/preload.ts";
import { startProcess, temporaryDirectory, type Scope } from "../helpers/resources.ts";

/** An unmodified app of test/fixtures/apps. */
export function appPath(name: string): string {
  return fileURLToPath(new URL(`../fixtures/apps/${name}.ts`, import.meta.url));
}

/** A listening socket without an accepting process, as the kernel holds one. */
export interface HeldSocket {
  readonly fd: number;
  readonly target: ListenTarget;
  /** 0 for a Unix socket. */
  readonly port: number;
}

interface RawHandle {
  readonly fd: number;
  getsockname(out: object): number;
  close(): void;
}

/** Binds a socket, on a free port or at a path, and lets it listen. */
export async function holdSocket(
  scope: Scope,
  path?: string,
  host = "127.0.0.1",
): Promise<HeldSocket> {
  const make: unknown = Reflect.get(net, "_createServerHandle");
  const handle = (make as (...args: unknown[]) => RawHandle)(
    path ?? host,
    path === undefined ? 0 : -1,
    path === undefined ? isIP(host) : -1,
  );
  scope.after(() => handle.close());
  // listen() of this process would accept; a helper process that listens and ends accepts nothing.
  const script = "require('net').createServer().listen({ fd: 3 }, () => process.exit())";
  const helper = startProcess(scope, process.execPath, ["-e", script], {
    stdio: ["ignore", "ignore", "inherit", handle.fd],
  });
  await once(helper, "exit");
  if (path !== undefined) return { fd: handle.fd, target: { name: "web", path }, port: 0 };
  const address = { port: 0 };
  handle.getsockname(address);
  return { fd: handle.fd, target: { name: "web", port: address.port }, port: address.port };
}

export interface ReplicaOptions {
  readonly hold?: boolean;
  readonly graceMs?: number;
  readonly lingerMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Arguments before the app: `-e`, flags. */
  readonly nodeArgs?: readonly string[];
}

/** A process with the preload. */
export interface Replica {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves when the preload has written READY. */
  readonly ready: Promise<void>;
  /** The lines written to the kernel so far. */
  readonly said: readonly string[];
  /** The output so far, of both streams. */
  output(): string;
  readonly controlPath: string;
  /** Sends one control line; resolves to the line of the answer. */
  control(line: string): Promise<string>;
  /** Sends the stop signal and waits for the end. */
  stop(): Promise<number | NodeJS.Signals | null>;
  readonly exited: Promise<number | NodeJS.Signals | null>;
}

/** Starts an app, a path or inline code, with the preload and the environment of the supervisor. */
export function startReplica(
  scope: Scope,
  app: string,
  sockets: readonly HeldSocket[],
  options: ReplicaOptions = {},
): Replica {
  const control = join(temporaryDirectory(scope), "c");
  const notifyFd = 3 + sockets.length;
  const args = app.endsWith(".ts") ? [app] : ["--input-type=module", "-e", app];
  const child = startProcess(scope, process.execPath, [...(options.nodeArgs ?? []), ...args], {
    stdio: ["ignore", "pipe", "pipe", ...sockets.map(({ fd }) => fd), "pipe"],
    env: {
      ...process.env,
      NODE_OPTIONS: withPreload(process.env["NODE_OPTIONS"], preloadPath()),
      PORT: String(sockets[0]?.port ?? 0),
      LISTEN_FDS: String(sockets.length),
      LISTEN_FDNAMES: sockets.map(({ target }) => target.name).join(":"),
      [PRELOAD_ENV.listen]: JSON.stringify(sockets.map(({ target }) => target)),
      [PRELOAD_ENV.notifyFd]: String(notifyFd),
      [PRELOAD_ENV.control]: control,
      [PRELOAD_ENV.entry]: "1",
      [PRELOAD_ENV.process]: "web.1",
      ...(options.hold === true && { [PRELOAD_ENV.hold]: "1" }),
      ...(options.graceMs !== undefined && { [PRELOAD_ENV.graceMs]: String(options.graceMs) }),
      ...(options.lingerMs !== undefined && { [PRELOAD_ENV.lingerMs]: String(options.lingerMs) }),
      ...options.env,
    },
  });
  return describe(child, notifyFd, controlSocketPath(control, child.pid ?? 0));
}

function describe(child: ChildProcess, notifyFd: number, controlPath: string): Replica {
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const said: string[] = [];
  const ready = Promise.withResolvers<void>();
  const exited = once(child, "close").then(([code, signal]: unknown[]) => {
    ready.reject(new Error(`ended before READY: ${printed}`));
    return (code ?? signal ?? null) as number | NodeJS.Signals | null;
  });
  // A test that does not wait for READY must not fail because of it.
  ready.promise.catch(() => undefined);
  const notify = child.stdio[notifyFd] as Socket;
  notify.on("data", (chunk: Buffer) => {
    said.push(...chunk.toString().split("\n").filter(Boolean));
    if (said.includes("READY=1")) ready.resolve();
  });
  return {
    child,
    pid: child.pid ?? 0,
    ready: ready.promise,
    said,
    output: () => printed,
    controlPath,
    control: (line) => askControl(controlPath, line),
    stop: () => {
      child.kill("SIGTERM");
      return exited;
    },
    exited,
  };
}

/** Sends bytes to a control socket; resolves to everything it answers before it closes, or one line. */
async function askControl(path: string, line: string): Promise<string> {
  const socket = net.connect(path);
  try {
    socket.write(`${line}\n`);
    const [chunk] = (await once(socket, "data")) as [Buffer];
    return chunk.toString().trimEnd();
  } finally {
    socket.destroy();
  }
}
