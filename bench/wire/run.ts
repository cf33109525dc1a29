// Measures calls a second over the wire against the same over a bare socket, alternating in one run,
// client and server pinned to one core where that can be done: `node bench/wire/run.ts`. Exits with 1
// when a ratio is below its bar; bench/results/wire.json has the figures.
import { fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";

import { deriveKey } from "../../src/wire/secret.ts";
import { connectTcp } from "../../src/wire/tcp.ts";
import { connectUnix } from "../../src/wire/unix.ts";
import { barOf, describeBar, median, type Bar, type OpenBar } from "../bars/bar.ts";
import { preparePeers } from "../prepare.ts";
import { describeMachine, machine, writeResult } from "../tools/machine.ts";
import { ECHO, SECRET, TLS_OPTIONS } from "./common.ts";
import { openPeers } from "./peers.ts";
import { burstVariant, callVariant, rawVariant, streamVariant, type Variant } from "./variants.ts";

const ROUNDS = 11;
const WARM_UP_ROUNDS = 2;
const ROUND_MS = 250;

/** Two variants, and the ratio of their medians. */
interface Ratio {
  readonly what: string;
  readonly of: string;
  readonly to: string;
  readonly atLeast: number;
}

const RATIOS: readonly Ratio[] = [
  { what: "RPC one at a time, × raw socket", of: "wire 1", to: "raw 1", atLeast: 0.9 },
  { what: "RPC 64 in flight, × raw one-write", of: "wire 64", to: "raw 64", atLeast: 3 },
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
  {
    what: "RPC, 65,000 calls at once, × 1,000 at once",
    of: "wire burst 65,000",
    to: "wire burst 1,000",
    atLeast: 0.5,
  },
  { what: "stream items, × raw one-write", of: "wire stream", to: "raw 64", atLeast: 2 },
  { what: "RPC 64 in flight, × birpc", of: "wire 64", to: "birpc 64", atLeast: 5 },
  { what: "RPC 64 in flight, × comlink", of: "wire 64", to: "comlink 64", atLeast: 5 },
  { what: "RPC 64 in flight, × capnweb", of: "wire 64", to: "capnweb 64", atLeast: 10 },
  { what: "RPC 64 in flight, × gRPC", of: "wire 64", to: "gRPC 64", atLeast: 10 },
  { what: "RPC 64 in flight, × Node IPC", of: "wire 64", to: "Node IPC 64", atLeast: 2 },
  {
    what: "RPC one at a time, × stance's managers",
    of: "wire 1",
    to: "Python managers 1",
    atLeast: 1.3,
  },
];

/** The results of a run: the bars, and every rate by the name of its variant. */
export interface WireResult {
  readonly bars: readonly (Bar | OpenBar)[];
  readonly rates: Readonly<Record<string, number>>;
}

/** Calls over the wire compared with bare sockets and other libraries, client and server on one core. */
export async function measureWire(): Promise<WireResult> {
  const directory = mkdtempSync(join(tmpdir(), "nwl-"));
  const child = fork(new URL("server.ts", import.meta.url), [directory]);
  const cores = affinity(process.pid);
  try {
    const [ports] = (await once(child, "message")) as [Ports];
    const ours = await openAll(directory, ports);
    const peers = await openPeers(directory, child);
    // On one core the figures are the cost of a call; on two they are the luck of the scheduler.
    for (const pid of [process.pid, child.pid]) setAffinity(pid, "1");
    const rates = await alternate({ ...ours.variants, ...peers.variants });
    await Promise.all([ours.close(), peers.close()]);
    const bars = RATIOS.map(({ what, of, to, atLeast }): Bar | OpenBar => {
      const [own, theirs] = [rates[of] ?? 0, rates[to]];
      if (theirs === undefined) return { bar: what, why: `there is no ${to} here` };
      return barOf(what, own / theirs, { atLeast }, { [of]: own, [to]: theirs });
    });
    return { bars, rates };
  } finally {
    if (cores !== undefined) setAffinity(process.pid, cores);
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Ports {
  readonly tcp: number;
  readonly tls: number;
  readonly wireTls: number;
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
  ports: Ports,
): Promise<{ variants: Record<string, Variant>; close: () => Promise<void> }> {
  const raw = connect(join(directory, "raw.sock"));
  await once(raw, "connect");
  const tcp = connect(ports.tcp, "127.0.0.1");
  await once(tcp, "connect");
  tcp.setNoDelay(true);
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
    "raw TCP 1": rawVariant(tcp, 1),
    "raw TCP 64": rawVariant(tcp, 64),
    "raw TLS 1": rawVariant(tls, 1),
    "wire TLS 1": callVariant(() => overTls.remote.add(12_345, 67_890), 1),
    "wire burst 1,000": burstVariant(add, 1_000),
    "wire burst 4,000": burstVariant(add, 4_000),
    "wire burst 65,000": burstVariant(add, 65_000),
    "wire stream": streamVariant(unix),
  };
  const close = async (): Promise<void> => {
    raw.destroy();
    tcp.destroy();
    tls.destroy();
    await Promise.all([unix.close(), overTls.close()]);
  };
  return { variants, close };
}

/** Each variant in turn, again and again, so that a slow machine slows all of them. */
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
  preparePeers();
  const before = machine();
  console.log(describeMachine(before));
  const { bars, rates } = await measureWire();
  for (const bar of bars) console.log(describeBar(bar));
  for (const [name, rate] of Object.entries(rates))
    console.log(`${String(rate).padStart(12)}  ${name}`);
  console.log(writeResult("wire", { machine: before, bars, rates }));
  process.exitCode = bars.every((bar) => "why" in bar || bar.met) ? 0 : 1;
}
