import { readdirSync, readFileSync } from "node:fs";

import { isNewelError, messageOf, systemCode } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { openFilesLimit } from "../../base/open-files.ts";
import { packageVersion } from "../../base/version.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import { storedApps } from "../../supervisor/stored-apps.ts";
import type { Context } from "../command.ts";
import { findKernel, findSupervisor } from "../reach.ts";
import type { Finding } from "./types.ts";

/** A daemon that takes longer does not work. */
const ANSWER_MS = 5_000;
/** The descriptors of an idle kernel, and those of each further process. */
const IDLE_DESCRIPTORS = 45;
const DESCRIPTORS_EACH = 5;
/** The share of the limit from which on the next restarts may fail. */
const FULL = 0.8;

/** The kernel: whether it answers, its version, its sockets and its open files. */
export async function checkKernel(context: Context): Promise<Finding[]> {
  const check = "kernel";
  let kernel: KernelClient | undefined;
  try {
    kernel = await findKernel(context);
    if (kernel === undefined) return absent(check, context);
    const { pid, version } = await kernel.status();
    const sockets = await kernel.sockets.list();
    const running = (await kernel.processes.list()).filter((each) => each.running);
    return [
      versionFinding(check, pid, version),
      {
        check: "sockets",
        state: "ok",
        what: `${sockets.length} held, ${running.length} running processes`,
      },
      openFilesFinding(pid, running.length),
    ];
  } catch (error) {
    return [unreachable(check, error)];
  } finally {
    await kernel?.close();
  }
}

/** The supervisor: whether it answers, and its version. */
export async function checkSupervisor(context: Context): Promise<Finding[]> {
  const check = "supervisor";
  try {
    const connection = await findSupervisor(context, { greetingMs: ANSWER_MS });
    if (connection === undefined) return absent(check, context);
    try {
      const { pid, version } = await connection.remote.with({ timeoutMs: ANSWER_MS }).hello();
      return [versionFinding(check, pid, version)];
    } finally {
      await connection.close();
    }
  } catch (error) {
    return [unreachable(check, error)];
  }
}

/** A missing daemon is a problem only if it has apps to run. */
function absent(check: string, { environment }: Context): Finding[] {
  const apps = [...storedApps(findHome(environment)).keys()];
  if (apps.length === 0) return [{ check, state: "ok", what: "not running, and no app is up" }];
  const what = `not running, although ${apps.join(", ")} should be up`;
  return [
    {
      check,
      state: "problem",
      what,
      fix: "newel up, or any verb such as newel start NAME, starts it.",
    },
  ];
}

function versionFinding(check: string, pid: number, version: string): Finding {
  const own = packageVersion();
  const what = `pid ${pid}, version ${version}`;
  if (version === own) return { check, state: "ok", what };
  return { check, state: "note", what: `${what}; this command is ${own}`, fix: "newel upgrade" };
}

function unreachable(check: string, error: unknown): Finding {
  if (!isNewelError(error)) throw error;
  return { check, state: "problem", what: messageOf(error), fix: error.fix };
}

function openFilesFinding(pid: number, processes: number): Finding {
  const check = "open files";
  const limit = limitOf(pid) ?? openFilesLimit();
  const used = descriptorsOf(pid);
  if (limit === undefined || used === undefined)
    return { check, state: "note", what: "the limit of the kernel cannot be read by this user" };
  const what = `the kernel has ${used} of ${limit}`;
  const needed = Math.max(used, IDLE_DESCRIPTORS + DESCRIPTORS_EACH * processes);
  if (needed <= limit * FULL) return { check, state: "ok", what };
  const fix =
    "Raise the limit (ulimit -n, LimitNOFILE of the unit), then run newel upgrade from that shell or restart the unit.";
  return { check, state: "problem", what: `${what}: further processes cannot be started`, fix };
}

function limitOf(pid: number): number | undefined {
  const found = /^Max open files\s+(\d+)/m.exec(readText(`/proc/${pid}/limits`))?.[1];
  return found === undefined ? undefined : Number(found);
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return "";
  }
}

function descriptorsOf(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}
