// Measures calls a second over the wire against the same over a bare socket, alternating in one run,
// client and server pinned to one core where that can be done: `node bench/wire/run.ts`. Exits with 1
// when a ratio is below its bar; bench/results/wire.json has the figures.
import { fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";

import type { Connection } from "../../src/wire/client.ts";
import { deriveKey } from "../../src/wire/secret.ts";
import { connectTcp } from "../../src/wire/tcp.ts";
import { connectUnix } from "../../src/wire/unix.ts";
import { barOf, describeBar, median, type Bar } from "../bars/bar.ts";
import { describeMachine, machine, writeResult } from "../tools/machine.ts";
import { ECHO, MESSAGE_BYTES, SECRET, TLS_OPTIONS, type Echo } from "./common.ts";

const ROUNDS = 11;
const WARM_UP_ROUNDS = 2;
const ROUND_MS = 250;

/** Runs for some milliseconds and gives how many calls a second it made. */
type Variant = (ms: number) => Promise<number>;

/** Two variants, and the ratio of their medians. */
interface Ratio {
  readonly what: string;
  readonly of: string;
  readonly to: string;
  readonly atLeast: number;
}

const RATIOS: readonly Ratio[] = [
  { what: "RPC one at a time, × raw socket", of: "wire 1", to: "raw 1", atLeast: 0.75 },
  { what: "RPC 64 in flight, × raw one-write", of: "wire 64", to: "raw 64", atLeast: 2 },
  {
    what: "RPC 64, async methods, × raw one-write",
    of: "wire 64 async",
    to: "raw 64",
    atLeast: 1.5,
  },
  {
    what: "RPC over TLS one at a time, × raw TLS",
    of: "wire TLS 1",
    to: "raw TLS 1",
    atLeast: 0.7,
  },
  { what: "stream items, × raw one-write", of: "wire stream", to: "raw 64", atLeast: 2 },
];

/** Calls over the wire beside bare sockets, client and server on one core. */
export async function measureWire(): Promise<Bar[]> {
  const directory = mkdtempSync(join(tmpdir(), "nwl-"));
  const child = fork(new URL("server.ts", import.meta.url), [directory]);
  const cores = affinity(process.pid);
  try {
    const [ports] = (await once(child, "message")) as [{ tls: number; wireTls: number }];
    // On one core the figures are the cost of a call; on two they are the luck of the scheduler.
    for (const pid of [process.pid, child.pid]) setAffinity(pid, "1");
    const { variants, close } = await openAll(directory, ports);
    const rates = await alternate(variants);
    await close();
    return RATIOS.map(({ what, of, to, atLeast }) => {
      const [ours, theirs] = [rates[of] ?? 0, rates[to] ?? 1];
      return barOf(what, ours / theirs, { atLeast }, { [of]: ours, [to]: theirs });
    });
  } finally {
    if (cores !== undefined) setAffinity(process.pid, cores);
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The mask of the cores a process may use; `undefined` where there is no taskset. */
function affinity(pid: number): string | undefined {
  return /mask: ([0-9a-f]+)/.exec(
    spawnSync("taskset", ["-p", String(pid)]).stdout?.toString(),
  )?.[1];
}

function setAffinity(pid: number | undefined, mask: string): void {
  spawnSync("taskset", ["-a", "-p", mask, String(pid)]);
}

async function openAll(
  directory: string,
  ports: { readonly tls: number; readonly wireTls: number },
): Promise<{ variants: Record<string, Variant>; close: () => Promise<void> }> {
  const raw = connect(join(directory, "raw.sock"));
  await once(raw, "connect");
  const { key, identity } = await deriveKey(SECRET, ECHO.name);
  const tls = connectTls({
    ...TLS_OPTIONS,
    host: "127.0.0.1",
    port: ports.tls,
    pskCallback: () => ({ psk: key, identity }),
    checkServerIdentity: () => undefined,
  });
  await once(tls, "secureConnect");
  tls.setNoDelay(true);
  const unix = await connectUnix(join(directory, "wire.sock"), ECHO);
  const overTls = await connectTcp({ port: ports.wireTls, secret: { key, identity } }, ECHO);
  const add = (): Promise<number> => unix.remote.add(12_345, 67_890);
  const variants = {
    "raw 1": rawVariant(raw, 1),
    "wire 1": callVariant(add, 1),
    "raw 64": rawVariant(raw, 64),
    "wire 64": callVariant(add, 64),
    "wire 64 async": callVariant(() => unix.remote.addLater(12_345, 67_890), 64),
    "raw TLS 1": rawVariant(tls, 1),
    "wire TLS 1": callVariant(() => overTls.remote.add(12_345, 67_890), 1),
    "wire stream": streamVariant(unix),
  };
  const close = async (): Promise<void> => {
    raw.destroy();
    tls.destroy();
    await Promise.all([unix.close(), overTls.close()]);
  };
  return { variants, close };
}

/** Messages back and forth over a bare socket, each with a write of its own. */
function rawVariant(socket: Socket, inFlight: number): Variant {
  const message = Buffer.alloc(MESSAGE_BYTES, 65);
  return (ms) =>
    new Promise((resolve) => {
      const start = performance.now();
      let [pending, answers, bytes] = [inFlight, 0, 0];
      const onData = (chunk: Buffer): void => {
        const isOver = performance.now() - start > ms;
        for (bytes += chunk.length; bytes >= MESSAGE_BYTES; bytes -= MESSAGE_BYTES) {
          answers += 1;
          if (isOver) pending -= 1;
          else socket.write(message);
        }
        if (pending > 0) return;
        socket.off("data", onData);
        resolve((answers * 1_000) / (performance.now() - start));
      };
      socket.on("data", onData);
      for (let sent = 0; sent < inFlight; sent += 1) socket.write(message);
    });
}

function callVariant(call: () => Promise<unknown>, inFlight: number): Variant {
  return async (ms) => {
    const start = performance.now();
    let answers = 0;
    const caller = async (): Promise<void> => {
      while (performance.now() - start < ms) {
        await call();
        answers += 1;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    return (answers * 1_000) / (performance.now() - start);
  };
}

function streamVariant(connection: Connection<Echo>): Variant {
  return async (ms) => {
    const start = performance.now();
    let items = 0;
    for await (const _ of connection.remote.numbers(Number.MAX_SAFE_INTEGER)) {
      items += 1;
      if (items % 1_024 === 0 && performance.now() - start > ms) break;
    }
    return (items * 1_000) / (performance.now() - start);
  };
}

/** Each variant in turn, again and again, so that what slows the machine slows all of them. */
async function alternate(
  variants: Readonly<Record<string, Variant>>,
): Promise<Record<string, number>> {
  const samples = new Map<string, number[]>();
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    for (const [name, run] of Object.entries(variants)) {
      const rate = await run(ROUND_MS);
      if (round >= WARM_UP_ROUNDS) samples.set(name, [...(samples.get(name) ?? []), rate]);
    }
  }
  return Object.fromEntries([...samples].map(([name, rates]) => [name, Math.round(median(rates))]));
}

if (import.meta.main) {
  const before = machine();
  console.log(describeMachine(before));
  const bars = await measureWire();
  for (const bar of bars) console.log(describeBar(bar));
  console.log(writeResult("wire", { machine: before, bars }));
  process.exitCode = bars.every(({ met }) => met) ? 0 : 1;
}
