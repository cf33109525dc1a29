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
  /** The facts that it reported; missing if it did not answer, or requires a secret. */
  readonly info?: Pick<OwnerInfo, "calls" | "callsPerSecond" | "connections">;
}

/** The result of releasing an owner. */
export interface Released {
  readonly id: string;
  readonly pid: number;
  readonly epoch: number;
  /**
   * `asked`: it finished its calls and saved. `taken`: the kernel revoked its claim. `killed`: it
   * did not answer.
   */
  readonly how: "asked" | "taken" | "killed";
}

/** Milliseconds that an owner may take to report its facts. */
const ANSWER_MS = 500;
/** Milliseconds that an owner whose claim was revoked has to notice. */
const NOTICE_MS = 1_000;
/** Milliseconds that an owner that was asked may take to finish its running calls. */
const RELEASE_MS = 10_000;
const POLL_MS = 20;

/** Lists the owners of a home. */
export async function listOwners(home: Home): Promise<OwnerView[]> {
  return Promise.all(livingOwners(home).map(view));
}

async function view(record: OwnerRecord): Promise<OwnerView> {
  const { engine, pid, epoch, sinceMs } = record;
  const common = { id: idOf(record), engine, pid, epoch, sinceMs };
  const info = await ask(record, INFO, ANSWER_MS);
  if (info === undefined) return common;
  const { calls, callsPerSecond, connections } = info as OwnerInfo;
  // The connection of this request is not one of its clients.
  return { ...common, info: { calls, callsPerSecond, connections: Math.max(0, connections - 1) } };
}

/**
 * Makes an owner release its ownership, so that the next one takes over.
 *
 * @param force - do not ask it: the kernel revokes the claim, so that its later writes are refused,
 * and a process that continues to serve, or owns by a socket or port, is killed
 * @throws NEWEL_E_NO_SINGLETON when it has no owner
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
      // The owner has just released it by itself.
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

/** Kills exactly the process of the record, never a later process with the same pid. */
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

/** Whether this owner, not a later one at the same address, still serves. */
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
    // A silent owner may still serve: an owner that hangs does not refuse connections.
    return hasCode(error, "NEWEL_E_DEADLINE") || isTimeout(error);
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && hasCode(error.cause, "NEWEL_E_DEADLINE");
}

/** The reply to a control request; `undefined` when there is none. */
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
    // In every case the owner reported nothing; the known facts are shown without it.
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
