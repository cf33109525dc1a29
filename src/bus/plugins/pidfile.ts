import { spawn } from "node:child_process";
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";

import { isNewelError, newelError, systemCode } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Bus } from "../bus.ts";
import { notWritable } from "../not-writable.ts";
import { takeInherited } from "../inheritance.ts";
import type { NewOwner } from "../plugin-channels.ts";
import { lives, startedMs } from "../process-times.ts";

/** Options of `pidfile`. */
export interface PidfileOptions {
  /** Priority of the `start` listener. Default 70: before privileges are dropped (77). */
  readonly priority?: number;
}

/**
 * The longest time that a process other than an owner (see `guard`) may hold a lock, in
 * milliseconds.
 */
const RETRY_FOR_MS = 1_000;
const RETRY_EVERY_MS = 20;
/** Tolerance for the clock of /proc, in milliseconds. */
const CLOCK_SLACK_MS = 1_000;

/**
 * Keeps the pid of this process in a file, under a lock that ends with the process: the file cannot
 * name a dead process and keep a new one from starting. A file that another program wrote counts
 * while exactly that process is alive. Removed on exit, if it still names this process, even after
 * privileges were dropped; kept over a restart.
 *
 * @returns an object whose `isHeld` reports whether this process has the file: listeners of `start` are called although an earlier one failed
 * @throws NEWEL_E_BUS_PIDFILE from the `start` listener, when another process has it
 * @throws NEWEL_E_BUS_FILE from the `start` listener, when the file cannot be written; its directory is not made
 */
export function pidfile(
  bus: Bus,
  path: string,
  options: PidfileOptions = {},
): { readonly isHeld: boolean } {
  const file = new Pidfile(resolve(path));
  const name = "pidfile";
  bus.subscribe("start", () => file.acquire(), { name, priority: options.priority ?? 70 });
  bus.subscribe("exit", () => bus.restarting || file.release(), { name });
  bus.subscribe("handover", () => file.handOver(), { name });
  bus.subscribe("privileges", (owner) => file.giveTo(owner), { name });
  return file;
}

class Pidfile {
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  get isHeld(): boolean {
    return this.#fd !== undefined;
  }

  async acquire(): Promise<void> {
    if (this.#fd !== undefined) return;
    try {
      this.#fd = takeInherited(this.#path) ?? (await this.#lock());
      ftruncateSync(this.#fd);
      writeSync(this.#fd, `${process.pid}\n`, 0);
    } catch (error) {
      if (isNewelError(error)) throw error;
      throw notWritable("pidfile", this.#path, error);
    }
  }

  release(): void {
    if (this.#fd === undefined) return;
    try {
      if (this.#named() === process.pid) rmSync(this.#path);
    } catch (error) {
      // Without the right to remove it, the guard process does so as soon as the lock is free.
      if (systemCode(error) !== "EACCES" && systemCode(error) !== "EPERM") throw error;
    } finally {
      closeSync(this.#fd);
      this.#fd = undefined;
    }
  }

  handOver(): Record<string, number> {
    return this.#fd === undefined ? {} : { [this.#path]: this.#fd };
  }

  /** Gives the file to the new owner, so that it can be removed without the dropped privileges. */
  giveTo({ uid, gid }: NewOwner): void {
    if (this.#fd === undefined) return;
    fchownSync(this.#fd, uid, gid);
    if (!mayRemoveFrom(dirname(this.#path), uid, gid)) guard(this.#path);
  }

  async #lock(): Promise<number> {
    if (process.platform !== "linux") return createExclusively(this.#path);
    const { lockFile } = await import("../../posix/lock.ts");
    const endMs = performance.now() + RETRY_FOR_MS;
    for (;;) {
      const lock = lockFile(this.#path);
      if (lock === undefined) {
        const holder = this.#named();
        const unknown = holder === undefined || !lives(holder);
        if (!unknown || performance.now() > endMs) throw this.#held(holder);
        await sleep(RETRY_EVERY_MS);
      } else if (this.#isStillThere(lock.fd)) {
        const writer = this.#named();
        if (writer !== undefined && this.#wroteIt(writer)) {
          lock.release();
          throw this.#held(writer);
        }
        fchmodSync(lock.fd, 0o644);
        return lock.fd;
      } else {
        // Its owner removed it between the open and the lock of this process.
        lock.release();
      }
    }
  }

  #isStillThere(fd: number): boolean {
    const [ours, there] = [fstatSync(fd), statSync(this.#path, { throwIfNoEntry: false })];
    return ours.ino === there?.ino && ours.dev === there.dev;
  }

  /**
   * Whether the process with that pid is the one that wrote the file, not a later process with the
   * same pid.
   */
  #wroteIt(pid: number): boolean {
    if (pid === process.pid || !lives(pid)) return false;
    const started = startedMs(pid);
    return started === undefined || started <= statSync(this.#path).mtimeMs + CLOCK_SLACK_MS;
  }

  #named(): number | undefined {
    return namedIn(this.#path);
  }

  #held(pid: number | undefined): Error {
    return held(this.#path, pid);
  }
}

/**
 * For platforms without flock: the file itself is the lock, and a file that a killed process left
 * is recognised by its pid alone.
 *
 * @returns the descriptor of the new file
 * @throws NEWEL_E_BUS_PIDFILE when the process that it names is alive
 */
export function createExclusively(path: string): number {
  for (;;) {
    try {
      return openSync(path, "wx", 0o644);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
    const pid = namedIn(path);
    if (pid === undefined || (pid !== process.pid && lives(pid))) throw held(path, pid);
    rmSync(path, { force: true });
  }
}

function namedIn(path: string): number | undefined {
  const pid = Number.parseInt(readFileSync(path, "utf8"), 10);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
}

function held(path: string, pid: number | undefined): Error {
  const holder = pid === undefined ? "a process that is just starting" : `process ${pid}`;
  return newelError("NEWEL_E_BUS_PIDFILE", { path, holder });
}

/** Whether a user may remove a file of its own from a directory. */
function mayRemoveFrom(directory: string, uid: number, gid: number): boolean {
  const { mode, uid: owner, gid: group } = statSync(directory);
  const writable = owner === uid ? 0o200 : group === gid ? 0o020 : 0o002;
  return (mode & writable) !== 0;
}

/**
 * Leaves a small process behind that keeps the privileges this process drops: it sleeps until the
 * lock is free, that is until this process has ended for any reason, and then removes the file,
 * unless it names another process by then.
 */
function guard(path: string): void {
  const script = 'exec 9<"$1" && flock 9 && [ "$(cat "$1")" = "$2" ] && rm -f "$1"';
  const args = ["-c", script, "newel-pidfile", path, String(process.pid)];
  spawn("/bin/sh", args, { stdio: "ignore", detached: true, cwd: "/" }).unref();
}
