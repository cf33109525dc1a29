import { setTimeout as sleep } from "node:timers/promises";

import { startProcess } from "../../test/helpers/resources.ts";
import type { Ends } from "../../test/load/scope.ts";
import { startKernel } from "../tools/kernel.ts";
import { residentBytes } from "../tools/process-stat.ts";
import { type Bar, barOf, median } from "./bar.ts";

const ROUNDS = 3;
const PROCESSES = 100;
/** Until a program has settled. */
const SETTLE_MS = 2_000;

/** The idle kernel compared with a bare Node.js, and the addition for a managed process. */
export async function measureMemory(scope: Ends): Promise<Bar[]> {
  const idle: number[] = [];
  const bare: number[] = [];
  const added: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    bare.push(await measureBare(scope));
    const kernel = await startKernel(scope);
    await sleep(SETTLE_MS);
    const before = residentBytes(kernel.pid);
    idle.push(before);
    for (let number = 1; number <= PROCESSES; number += 1)
      await kernel.client.processes.make({ name: `p.${number}`, args: ["/bin/sleep", "1000"] });
    await sleep(SETTLE_MS);
    added.push((residentBytes(kernel.pid) - before) / PROCESSES);
    await kernel.end();
  }
  const [idleMb, bareMb] = [median(idle) / 1e6, median(bare) / 1e6];
  return [
    barOf(
      "kernel idle, memory × a bare node",
      idleMb / bareMb,
      { atMost: 1.3 },
      { "kernel MB": Math.round(idleMb * 10) / 10, "bare MB": Math.round(bareMb * 10) / 10 },
    ),
    barOf("kernel memory for each managed process (100 × sleep)", median(added) / 1e3, {
      atMost: 60,
      unit: "kB",
    }),
  ];
}

async function measureBare(scope: Ends): Promise<number> {
  const child = startProcess(scope, process.execPath, ["-e", "setInterval(()=>{},1e9)"], {
    stdio: "ignore",
  });
  await sleep(SETTLE_MS);
  const bytes = residentBytes(child.pid ?? 0);
  child.kill("SIGKILL");
  return bytes;
}
