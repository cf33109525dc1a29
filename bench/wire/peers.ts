import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

import { peer } from "../bus/peers.ts";
import { lineTransport, onLine } from "./lines.ts";
import { GRPC_SERVICE, type Birpc, type CapnWeb, type Comlink, type Grpc } from "./peer-types.ts";
import { callVariant, type Variant } from "./variants.ts";

/** The measurements of the installed peers, and their end. */
export interface Peers {
  readonly variants: Readonly<Record<string, Variant>>;
  readonly close: () => Promise<void>;
}

type Call = () => unknown;

const [LEFT, RIGHT] = [12_345, 67_890];

/** Connects to the sockets of bench/wire/peer-server.ts in `directory`, and to the child itself by IPC. */
export async function openPeers(directory: string, child: ChildProcess): Promise<Peers> {
  const closes: (() => unknown)[] = [];
  const calls: Record<string, Call | undefined> = {
    capnweb: await openCapnWeb(join(directory, "capnweb.sock"), closes),
    birpc: await openBirpc(join(directory, "birpc.sock"), closes),
    comlink: await openComlink(closes),
    gRPC: await openGrpc(`unix:${join(directory, "grpc.sock")}`, closes),
    "Node IPC": openIpc(child),
  };
  const variants: Record<string, Variant> = {};
  for (const [name, call] of Object.entries(calls)) {
    if (call === undefined) continue;
    const ask = async (): Promise<unknown> => call();
    variants[`${name} 1`] = callVariant(ask, 1);
    variants[`${name} 64`] = callVariant(ask, 64);
  }
  const managers = await openManagers(closes);
  if (managers !== undefined) variants["Python managers 1"] = managers;
  const close = async (): Promise<void> => {
    for (const each of closes) await each();
  };
  return { variants, close };
}

async function openCapnWeb(path: string, closes: (() => unknown)[]): Promise<Call | undefined> {
  const capnweb = (await peer("capnweb")) as CapnWeb | undefined;
  if (capnweb === undefined) return undefined;
  const socket = connect(path);
  await once(socket, "connect");
  closes.push(() => socket.destroy());
  const remote = new capnweb.RpcSession(lineTransport(socket)).getRemoteMain();
  return () => remote.add(LEFT, RIGHT);
}

async function openBirpc(path: string, closes: (() => unknown)[]): Promise<Call | undefined> {
  const birpc = (await peer("birpc")) as Birpc | undefined;
  if (birpc === undefined) return undefined;
  const socket = connect(path);
  await once(socket, "connect");
  closes.push(() => socket.destroy());
  const remote = birpc.createBirpc(
    {},
    {
      post: (message) => void socket.write(`${JSON.stringify(message)}\n`),
      on: (take) => onLine(socket, (line) => take(JSON.parse(line))),
      // Its default is a timer for each call, but here it is to be as fast as possible.
      timeout: -1,
    },
  );
  return () => remote.add(LEFT, RIGHT);
}

async function openComlink(closes: (() => unknown)[]): Promise<Call | undefined> {
  const comlink = (await peer("comlink")) as Comlink | undefined;
  const adapter = (await peer("comlink/dist/esm/node-adapter.mjs")) as
    | { default(port: unknown): unknown }
    | undefined;
  if (comlink === undefined || adapter === undefined) return undefined;
  const worker = new Worker(new URL("comlink-worker.ts", import.meta.url));
  closes.push(() => worker.terminate());
  const remote = comlink.wrap(adapter.default(worker));
  return () => remote.add(LEFT, RIGHT);
}

async function openGrpc(address: string, closes: (() => unknown)[]): Promise<Call | undefined> {
  const grpc = (await peer("@grpc/grpc-js")) as Grpc | undefined;
  if (grpc === undefined) return undefined;
  const Client = grpc.makeGenericClientConstructor(GRPC_SERVICE, "Echo");
  const client = new Client(address, grpc.credentials.createInsecure());
  closes.push(() => client.close());
  return () =>
    new Promise((resolve, reject) => {
      client.Add([LEFT, RIGHT], (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
}

/** Answers come in the order of the questions. */
function openIpc(child: ChildProcess): Call {
  const waiting: ((answer: unknown) => void)[] = [];
  child.on("message", (answer) => waiting.shift()?.(answer));
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      child.send([LEFT, RIGHT]);
    });
}

async function openManagers(closes: (() => unknown)[]): Promise<Variant | undefined> {
  const program = fileURLToPath(new URL("managers.py", import.meta.url));
  const python = spawn("taskset", ["1", "python3", program], { stdio: ["pipe", "pipe", "ignore"] });
  const failed = once(python, "error").then(() => undefined);
  const lines = createInterface({ input: python.stdout })[Symbol.asyncIterator]();
  const first = await Promise.race([lines.next(), failed]);
  if (first?.value !== "ready") return undefined;
  closes.push(async () => {
    const ended = once(python, "exit");
    python.stdin.end();
    await ended;
  });
  return async (ms) => {
    python.stdin.write(`${ms}\n`);
    return Number((await lines.next()).value);
  };
}
