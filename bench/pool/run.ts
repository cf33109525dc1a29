// The bars of the pool, and with `--table` every pool at every load, each in a separate process.
// `node bench/pool/run.ts [--table] [--json FILE]`; exits with 1 when a bar is missed.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { barOf, describeBar, median, type Bar } from "../bars/bar.ts";
import { prepareDist, preparePeers } from "../prepare.ts";
import { describeMachine, machine, writeResult } from "../tools/machine.ts";
import { coldStarts } from "./cold.ts";
import { contender, type Opened } from "./contenders.ts";
import { besideBlocked, localSleeps, noop, rate, sleeping, speedUp } from "./loads.ts";
import { largeTexts } from "./large-texts.ts";
import { printTable } from "./table.ts";

const ROUNDS = 7;
const WARM_UP_ROUNDS = 2;
const ROUND_MS = 400;
const SIZE = 2;
/** At which of its settings piscina is best depends on the machine. */
const PISCINAS = ["piscina 64", "piscina 64 async"] as const;

type Variant = () => Promise<number>;

/** Each variant in turn, again and again, so that a slow machine slows all of them. */
async function alternate<Name extends string>(
  variants: Readonly<Record<Name, Variant>>,
): Promise<Record<Name, number>> {
  const samples = {} as Record<Name, number[]>;
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    for (const name of Object.keys(variants) as Name[]) {
      const value = await variants[name]();
      if (round >= WARM_UP_ROUNDS) (samples[name] ??= []).push(value);
    }
  }
  const medians = {} as Record<Name, number>;
  for (const name of Object.keys(variants) as Name[]) medians[name] = median(samples[name]);
  return medians;
}

async function open(name: string): Promise<Opened> {
  const pool = await contender(name).open(SIZE);
  // Both workers are there.
  await rate(pool, 64, 300, noop);
  return pool;
}

export async function measurePool(): Promise<Bar[]> {
  const pool = await open("newel process");
  const raw = await open("raw frames");
  const piscinas = await Promise.all(PISCINAS.map(open));
  try {
    return [
      ...(await noops(pool, raw, piscinas)),
      ...(await awaits(pool)),
      await computing(pool),
      await blocked(pool),
      ...(await coldStarts(SIZE)),
      ...(await largeTexts(SIZE)),
    ];
  } finally {
    await Promise.all([pool, raw, ...piscinas].map((each) => each.close()));
  }
}

async function noops(pool: Opened, raw: Opened, piscinas: readonly Opened[]): Promise<Bar[]> {
  const [first = raw, second = raw] = piscinas;
  const { signal } = new AbortController();
  const rates = await alternate({
    newel: () => rate(pool, 64, ROUND_MS, noop),
    raw: () => rate(raw, 64, ROUND_MS, noop),
    first: () => rate(first, 64, ROUND_MS, noop),
    second: () => rate(second, 64, ROUND_MS, noop),
    signal: () => rate(pool, 64, ROUND_MS, noop, () => ({ signal })),
    deadline: () => rate(pool, 64, ROUND_MS, noop, () => ({ timeoutMs: 10_000 })),
  });
  const best = Math.max(rates.first, rates.second);
  const newel = Math.round(rates.newel);
  return [
    barOf(
      "pool: no-op, 64 in flight, processes, × piscina at its best",
      rates.newel / best,
      { atLeast: 4 },
      { newel, piscina: Math.round(best) },
    ),
    barOf(
      "pool: no-op, 64 in flight, × raw batched frames",
      rates.newel / rates.raw,
      { atLeast: 0.6 },
      { newel, raw: Math.round(rates.raw) },
    ),
    barOf(
      "pool: no-op with an abort signal, × without",
      rates.signal / rates.newel,
      { atLeast: 0.8 },
      { newel, signal: Math.round(rates.signal) },
    ),
    barOf(
      "pool: no-op with a deadline, × without",
      rates.deadline / rates.newel,
      { atLeast: 0.8 },
      { newel, deadline: Math.round(rates.deadline) },
    ),
  ];
}

async function awaits(pool: Opened): Promise<Bar[]> {
  const rates = await alternate({
    ideal: () => localSleeps(200, ROUND_MS),
    newel: () => rate(pool, 200, ROUND_MS, sleeping),
    signals: () =>
      rate(pool, 200, ROUND_MS, sleeping, () => ({ signal: new AbortController().signal })),
  });
  const seen = {
    newel: Math.round(rates.newel),
    ideal: Math.round(rates.ideal),
    theory: 200 / 0.005,
  };
  return [
    barOf("pool: 200 × 5 ms awaits, × ideal", rates.newel / rates.ideal, { atLeast: 0.9 }, seen),
    barOf(
      "pool: 200 × 5 ms awaits, a signal for each, × without",
      rates.signals / rates.newel,
      { atLeast: 0.8 },
      { newel: seen.newel, signals: Math.round(rates.signals) },
    ),
  ];
}

async function computing(pool: Opened): Promise<Bar> {
  const { newel } = await alternate({ newel: () => speedUp(pool) });
  return barOf("pool: 200 × 5 ms of computing, 2 workers, speed-up", newel, { atLeast: 1.9 });
}

async function blocked(pool: Opened): Promise<Bar> {
  const { newel } = await alternate({ newel: () => besideBlocked(pool) });
  return barOf("pool: longest of 20 no-ops beside a blocked worker", newel, {
    atMost: 50,
    unit: "ms",
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { json: { type: "string" }, table: { type: "boolean" } },
  });
  prepareDist();
  preparePeers();
  const before = machine();
  console.log(describeMachine(before));
  const bars = await measurePool();
  for (const bar of bars) console.log(describeBar(bar));
  const result = { machine: before, bars };
  if (values.json === undefined) console.log(writeResult("pool", result));
  else writeFileSync(values.json, JSON.stringify(result));
  if (values.table === true) await printTable(SIZE);
  // Some of the peers would keep it running.
  process.exit(bars.every(({ met }) => met) ? 0 : 1);
}
