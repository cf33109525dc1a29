import { existsSync, statfsSync } from "node:fs";
import { resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";

import { messageOf, systemCode } from "../../base/errors.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import { findAddressOwner } from "../../supervisor/address-owner.ts";
import type { ResolvedService } from "../../supervisor/config/resolved.ts";
import { plain } from "../output/output.ts";
import { endingOf, signalName } from "./endings.ts";
import { hintOf } from "./hints.ts";
import { wasOutOfMemory } from "./out-of-memory.ts";
import type { Evidence, Subject } from "./types.ts";

const LAST_LINES = 20;
/** Less room than this counts as none, in bytes. */
const ROOM_BYTES = 1 << 20;

/** Reads the facts about a subject: its output, the system's record of a kill, files, ports and file systems. */
export async function gather(
  subject: Subject | undefined,
  spec: ResolvedService | undefined,
  { kernel, home }: { readonly kernel: KernelClient | undefined; readonly home: string },
): Promise<Evidence> {
  const lines = await lastLines(subject?.kernelName, kernel);
  const hint = hintOf(lines);
  const ending = subject?.exitCode === undefined ? undefined : endingOf(subject.exitCode);
  const isKill = ending?.kind === "signal" && signalName(ending.signal) === "SIGKILL";
  const owner =
    hint?.kind === "port taken" && hint.port !== undefined ? ownerOf(hint.port) : undefined;
  return {
    lines,
    missing: spec === undefined ? [] : missingFiles(spec),
    full: [...new Set([...(spec === undefined ? [] : [spec.cwd]), home])].filter(isFull),
    ...(isKill && subject?.pid !== undefined ? { outOfMemory: wasOutOfMemory(subject.pid) } : {}),
    ...(owner === undefined ? {} : { portOwner: owner }),
  };
}

async function lastLines(
  run: string | undefined,
  kernel: KernelClient | undefined,
): Promise<readonly string[]> {
  if (run === undefined || run === "" || kernel === undefined) return [];
  try {
    const lines = await kernel.processes.tail(run, LAST_LINES);
    return lines.map((line) => plain(stripVTControlCharacters(line)));
  } catch (error) {
    return [`(its output cannot be read: ${messageOf(error)})`];
  }
}

/** The files that a service needs for its start and that do not exist now. */
function missingFiles(spec: ResolvedService): Evidence["missing"] {
  const { command, cwd, name } = spec;
  const keys = ["services", name];
  if (!existsSync(cwd)) return [{ path: cwd, keys: [...keys, "cwd"] }];
  const files =
    command.kind === "node"
      ? [command.nodePath, command.file]
      : command.kind === "exec"
        ? [command.program ?? programPath(command.args[0] ?? "", cwd)]
        : [];
  const key = command.kind === "node" ? "node" : "run";
  return files
    .filter((path): path is string => path !== undefined && !existsSync(path))
    .filter((path) => command.kind !== "node" || !existsSync(`${path}.js`))
    .map((path) => ({ path, keys: [...keys, key] }));
}

/** A program that PATH had not when the configuration was read: only one with a slash names its file. */
function programPath(program: string, cwd: string): string | undefined {
  return program.includes("/") ? resolve(cwd, program) : undefined;
}

function ownerOf(port: number): string | undefined {
  const owner = findAddressOwner({ port });
  if (owner === undefined) return undefined;
  const { pid, command, uid } = owner;
  if (pid === undefined) return `a process of user ${uid ?? "?"}`;
  return `pid ${pid} (${plain(command ?? "")})`;
}

function isFull(path: string): boolean {
  try {
    const { bavail, bsize, blocks, files, ffree } = statfsSync(path);
    // Some file systems have no fixed number of blocks or files, and report 0.
    return (blocks > 0 && bavail * bsize < ROOM_BYTES) || (files > 0 && ffree === 0);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES", "ENOSYS"].includes(systemCode(error) ?? "")) return false;
    throw error;
  }
}
