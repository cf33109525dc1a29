/**
 * A claim with one holder and many waiting clients, while the kernel is killed and replaced
 * repeatedly: for the test, and at full count for the soak.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import {
  cleanUp,
  eventually,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { connectScenario, killKernel } from "./kernel-scenario.ts";

const HOLDER = fileURLToPath(new URL("../fixtures/programs/hold-claim.ts", import.meta.url));
const WAITERS = 20;
const NAME = "only-one";

export interface ClaimReport {
  readonly kills: number;
  readonly upgrades: number;
  /** From the end of the holder to the grant for the next, in milliseconds. */
  readonly handedOnMs: number;
}

/** Runs `rounds` rounds, kills and upgrades in turn, and asserts that the claim stays where it is. */
export async function runClaimScenario(scope: Scope, rounds: number): Promise<ClaimReport> {
  const home = homeAt(temporaryDirectory(scope));
  const kernel = await connectScenario(scope, home);
  const holder = startProcess(scope, process.execPath, [HOLDER, home.directory, NAME]);
  const [said] = (await once(holder.stdout ?? holder, "data")) as [Buffer];
  const epoch = Number(String(said));
  const granted: number[] = [];
  for (let number = 0; number < WAITERS; number += 1) await wait(scope, home.directory, granted);
  const stands = async (): Promise<boolean> => {
    const [claim] = await kernel.claims.list(NAME);
    assert.deepEqual(granted, [], "nobody else ever gets it");
    assert.equal(claim?.epoch, epoch, "it keeps its number");
    assert.equal(claim?.holder.pid, holder.pid, "it keeps its holder");
    return claim?.waiting === WAITERS;
  };
  await eventually(stands, "all wait");
  for (let round = 0; round < rounds; round += 1) {
    if (round % 2 === 0) await killKernel(kernel);
    else await kernel.upgrade();
    await eventually(stands, "all wait again", 30_000);
  }
  const ended = performance.now();
  holder.kill("SIGKILL");
  await eventually(() => granted.length === 1, "one of them has it then");
  const handedOnMs = Math.round(performance.now() - ended);
  assert.deepEqual(granted, [epoch + 1]);
  return { kills: Math.ceil(rounds / 2), upgrades: Math.floor(rounds / 2), handedOnMs };
}

async function wait(scope: Scope, directory: string, granted: number[]): Promise<void> {
  const client: KernelClient = await connectKernel({ home: directory, timeoutMs: 60_000 });
  const waiting = client.claim(NAME).then(
    ({ epoch }) => void granted.push(epoch),
    // Closed at the end of the scenario, still waiting.
    () => undefined,
  );
  cleanUp(scope, async () => {
    await client.close();
    await waiting;
  });
}
