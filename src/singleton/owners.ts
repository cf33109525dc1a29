import { closeSync } from "node:fs";
import { constants } from "node:os";

import { hasCode, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { sleep } from "../base/timers.ts";
import { look } from "../kernel/proc.ts";
import { connectKernel } from "../kernel/client/client.ts";
import { openPidfd, signalPidfd } from "../posix/process.ts";
import type { Connection } from "../wire/client.ts";
import { connectTcp } from "../wire/tcp.ts";
import { connectAbstract } from "../wire/unix.ts";
import { contractOf, INFO, RELEASE, type OwnerInfo } from "./control.ts";
import type { AnyApi } from "./engines/engine.ts";
import { livingOwners, type OwnerRecord } from "./engines/records.ts";

/** An owner as an operator sees it. */
export interface OwnerView {
  /** `room`, or `room/7` with a key. */
  readonly id: string;
  readonly engine: OwnerRecord["engine"];
  readonly pid: number;
  readonly epoch: number;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  /** What it told of itself; missing when it did not answer, or wants a secret. */
  readonly info?: Pick<OwnerInfo, "calls" | "callsPerSecond" | "connections">;
}

/** How an owner was brought to give up. */
export interface Released {
  readonly id: string;
  readonly pid: number;
  readonly epoch: number;
  /** `asked`: it finished its calls and saved. `taken`: the kernel took it. `killed`: it did not answer. */
  readonly how: "asked" | "taken" | "killed";
}

/** How long an owner may take to tell of itself, in milliseconds. */
const ANSWER_MS = 500;
/** How long one that was deprived of its claim has to notice. */
const NOTICE_MS = 1_000;
/** How long one that was asked may take to finish what runs. */
const RELEASE_MS = 10_000;
const POLL_MS = 20;

/** Who owns what in a home. */
export async function listOwners(home: Home): Promise<OwnerView[]> {
  return Promise.all(livingOwners(home).map(view));
}

async function view(record: OwnerRecord): Promise<OwnerView> {
  const { engine, pid, epoch, sinceMs } = record;
  const common = { id: idOf(record), engine, pid, epoch, sinceMs };
  const info = await ask(record, INFO, ANSWER_MS);
  if (info === undefined) return common;
  const { calls, callsPerSecond, connections } = info as OwnerInfo;
  // The connection that asks is none of its users.
  return { ...common, info: { calls, callsPerSecond, connections: Math.max(0, connections - 1) } };
}

/**
 * Brings an owner to give up, so that the next one takes over.
 *
 * @param force - do not ask it: the kernel takes the claim away, so that nothing it writes later
 * counts, and a process that goes on serving, or owns by a socket or port, is killed
 * @throws NEWEL_E_NO_SINGLETON when nobody owns it
 * @throws NEWEL_E_NO_OWNER when it does not answer, without `force`
 */
export async function releaseOwner(home: Home, id: string, force: boolean): Promise<Released> {
  const record = livingOwners(home).find((one) => idOf(one) === id);
  if (record === undefined) throw newelError("NEWEL_E_NO_SINGLETON", { name: id });
  const { pid, epoch } = record;
  const how = force ? await take(home, record) : await request(record);
  return { id, pid, epoch, how };
}

async function request(record: OwnerRecord): Promise<"asked"> {
  const answer = await ask(record, RELEASE, RELEASE_MS);
  if (answer === undefined || !(await isGone(record, RELEASE_MS))) {
    const why = record.hasSecret === true ? "it wants its secret" : "it may hang";
    throw newelError("NEWEL_E_NO_OWNER", { name: idOf(record), limitMs: RELEASE_MS, why });
  }
  return "asked";
}

async function take(home: Home, record: OwnerRecord): Promise<"taken" | "killed"> {
  if (record.engine === "kernel") {
    const kernel = await connectKernel({ home, autostart: false });
    try {
      await kernel.claims.release(record.claim);
    } catch (error) {
      // It has just given up by itself.
      if (!hasCode(error, "NEWEL_E_NOT_FOUND")) throw error;
    } finally {
      await kernel.close();
    }
    if (await isGone(record, NOTICE_MS)) return "taken";
  }
  kill(record);
  await isGone(record, NOTICE_MS);
  return "killed";
}

/** Kills the very process of the record, and no later one with the same pid. */
function kill({ pid, startTicks }: OwnerRecord): void {
  const pidfd = openPidfd(pid);
  if (pidfd === undefined) return;
  try {
    if (look(pid)?.startTicks === startTicks) signalPidfd(pidfd, constants.signals.SIGKILL);
  } finally {
    closeSync(pidfd);
  }
}

/** Whether the owner stops serving in this epoch within the time. */
async function isGone(record: OwnerRecord, limitMs: number): Promise<boolean> {
  const until = performance.now() + limitMs;
  while (performance.now() < until) {
    if (!(await serves(record))) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** Whether this owner, and not a later one at the same address, still serves. */
async function serves(record: OwnerRecord): Promise<boolean> {
  const seen = look(record.pid);
  if (seen === undefined || seen.state === "Z" || seen.startTicks !== record.startTicks)
    return false;
  try {
    const connection = await reach(record, ANSWER_MS);
    try {
      const { pid, epoch } = (await connection.methods.call(INFO, [], {
        timeoutMs: ANSWER_MS,
      })) as OwnerInfo;
      return pid === record.pid && epoch === record.epoch;
    } finally {
      await connection.close();
    }
  } catch (error) {
    // Silent, it may still serve: one that hangs does not refuse.
    return hasCode(error, "NEWEL_E_DEADLINE") || isTimeout(error);
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && hasCode(error.cause, "NEWEL_E_DEADLINE");
}

/** The answer to a question of ours; `undefined` when there is none. */
async function ask(record: OwnerRecord, method: string, timeoutMs: number): Promise<unknown> {
  if (record.hasSecret === true) return undefined;
  try {
    const connection = await reach(record, timeoutMs);
    try {
      return (await connection.methods.call(method, [], { timeoutMs })) ?? true;
    } finally {
      await connection.close();
    }
  } catch {
    // Whatever it was, the owner told nothing; what is known without it is shown.
    return undefined;
  }
}

function reach(record: OwnerRecord, timeoutMs: number): Promise<Connection<AnyApi>> {
  const contract = contractOf(record);
  if (record.engine !== "port") return connectAbstract(record.address, contract, { timeoutMs });
  const colon = record.address.lastIndexOf(":");
  const [host, port] = [record.address.slice(0, colon), Number(record.address.slice(colon + 1))];
  return connectTcp({ host, port }, contract, { timeoutMs });
}

function idOf({ claim }: OwnerRecord): string {
  return claim.slice(claim.indexOf("/") + 1);
}
