import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, ftruncateSync, mkdirSync, rmSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";

import { newelError } from "../../base/errors.ts";
import { findHome, type Home, homeAt } from "../../base/home.ts";
import { holderOf } from "../../base/lock-holder.ts";
import { programPath } from "../../base/modules.ts";
import { sha256 } from "../../base/sha256.ts";
import { sleep } from "../../base/timers.ts";
import { type FileLock, lockFile } from "../../posix/lock.ts";
import type { Context } from "../command.ts";

/** Characters of the hash in a home's name; the path of a Unix socket in it may have 107 bytes. */
const NAME_CHARACTERS = 10;

/** How long daemons that were asked to end may take, in milliseconds. */
const ENDING_MS = 10_000;
const POLL_MS = 20;

/**
 * Waits for the end of `newel dev`. If that ends without a word, as by SIGKILL, it takes the app down and removes the
 * home: `$0` and `$1` are the command line of newel, `$2` is the home.
 */
const GUARD = `trap '' HUP INT TERM
read -r word
[ "$word" = done ] && exit 0
"$0" "$1" down --all --now
rm -rf "$2"`;

/** The separate home of one `newel dev`: its kernel and supervisor end with it, and so does the directory. */
export interface DevHome {
  readonly directory: string;
  /** Removes the directory, once the daemons have ended. */
  release(): Promise<void>;
}

/**
 * Takes the home of `newel dev` for one app. An earlier `newel dev` that was killed together with its guard may
 * have left one: it is taken down first.
 *
 * @param app - the configuration or the directory that identifies the app, absolute
 * @throws NEWEL_E_DEV_RUNNING when another `newel dev` of the app runs
 */
export async function takeDevHome(app: string, context: Context): Promise<DevHome> {
  const { environment } = context;
  const parent = join(findHome(environment).directory, "dev");
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const directory = join(parent, sha256(app).slice(0, NAME_CHARACTERS));
  const lockPath = `${directory}.lock`;
  const lock = lockFile(lockPath);
  if (lock === undefined) throw newelError("NEWEL_E_DEV_RUNNING", { app, pid: holderOf(lockPath) });
  ftruncateSync(lock.fd);
  writeSync(lock.fd, String(process.pid), 0);
  const own = { ...environment, NEWEL_HOME: directory };
  if (existsSync(directory)) {
    context.output.say("An earlier `newel dev` of this app was killed: its rest is taken down.");
    await takeDownRest(own);
    rmSync(directory, { recursive: true, force: true });
  }
  const guard = startGuard(directory, own);
  return {
    directory,
    release: async () => {
      await daemonsEnded(homeAt(directory));
      rmSync(directory, { recursive: true, force: true });
      guard.stdin?.end("done\n");
      release(lock, lockPath);
    },
  };
}

/** A daemon that is ending still writes its files. */
async function daemonsEnded({ kernelLock, supervisorLock }: Home): Promise<void> {
  const until = performance.now() + ENDING_MS;
  for (const path of [supervisorLock, kernelLock])
    while (existsSync(path) && performance.now() < until) {
      const lock = lockFile(path);
      if (lock !== undefined) {
        lock.release();
        break;
      }
      await sleep(POLL_MS);
    }
}

function release(lock: FileLock, path: string): void {
  unlinkSync(path);
  lock.release();
}

function takeDownRest(env: NodeJS.ProcessEnv): Promise<void> {
  const words = [programPath("cli/main"), "down", "--all", "--now"];
  const child = spawn(process.execPath, words, { env, stdio: "ignore" });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("error", reject);
  child.once("exit", () => resolve());
  return promise;
}

function startGuard(directory: string, env: NodeJS.ProcessEnv): ChildProcess {
  const words = ["-c", GUARD, process.execPath, programPath("cli/main"), directory];
  const guard = spawn("/bin/sh", words, {
    env,
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // Without the guard, only a SIGKILL of `newel dev` would leave processes behind.
  guard.on("error", () => undefined);
  guard.stdin?.on("error", () => undefined);
  guard.unref();
  return guard;
}
