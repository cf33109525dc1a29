import { closeSync } from "node:fs";

import { closeAllOnExec, duplicate } from "./descriptors.ts";
import { libc, syscallError } from "./libc.ts";

const posixSpawn = libc(
  "int posix_spawn(void *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)",
);
const actionsInit = libc("int posix_spawn_file_actions_init(void *actions)");
const actionsDestroy = libc("int posix_spawn_file_actions_destroy(void *actions)");
const actionsDup2 = libc("int posix_spawn_file_actions_adddup2(void *actions, int from, int to)");
const actionsChdir = libc(
  "int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)",
);
const attributesInit = libc("int posix_spawnattr_init(void *attributes)");
const attributesDestroy = libc("int posix_spawnattr_destroy(void *attributes)");
const attributesFlags = libc("int posix_spawnattr_setflags(void *attributes, int16_t flags)");
const attributesDefaults = libc("int posix_spawnattr_setsigdefault(void *attributes, void *set)");
const attributesMask = libc("int posix_spawnattr_setsigmask(void *attributes, void *set)");

const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const SETSID = 0x80;
/** Larger than the C library's own structures (80, 336 and 128 bytes with glibc). */
const STRUCTURE_BYTES = 1024;

export interface SpawnRequest {
  /** The path of the program; PATH is not searched. */
  readonly file: string;
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** `descriptors[n]` becomes descriptor n of the program; it gets no others. */
  readonly descriptors: readonly number[];
}

/**
 * Starts a program in a new session, with no blocked or ignored signal. Unlike with child_process.spawn, the
 * caller keeps the right to wait for it (see reapOne), so that a child started before this process replaced
 * itself is no different from one started after.
 *
 * @returns its pid
 * @throws NEWEL_E_SYSCALL when the program could not be executed
 */
export function spawnProcess(request: SpawnRequest): number {
  const actions = Buffer.alloc(STRUCTURE_BYTES);
  const attributes = Buffer.alloc(STRUCTURE_BYTES);
  // Copies above every target, so that no dup2 overwrites a source that is still needed.
  const sources: number[] = [];
  succeed(actionsInit(actions), "posix_spawn_file_actions_init");
  succeed(attributesInit(attributes), "posix_spawnattr_init");
  try {
    for (const fd of request.descriptors)
      sources.push(duplicate(fd, request.descriptors.length + 3));
    prepare(actions, attributes, request.workingDir, sources);
    closeAllOnExec();
    const pid = Buffer.alloc(4);
    const argv = [...request.argv, null];
    const envp = [...Object.entries(request.env).map(([key, value]) => `${key}=${value}`), null];
    succeed(
      posixSpawn(pid, request.file, actions, attributes, argv, envp),
      "posix_spawn",
      request.file,
    );
    return pid.readInt32LE();
  } finally {
    for (const fd of sources) closeSync(fd);
    actionsDestroy(actions);
    attributesDestroy(attributes);
  }
}

function prepare(
  actions: Buffer,
  attributes: Buffer,
  workingDir: string,
  sources: readonly number[],
): void {
  succeed(actionsChdir(actions, workingDir), "posix_spawn_file_actions_addchdir_np", workingDir);
  for (const [target, source] of sources.entries()) {
    succeed(actionsDup2(actions, source, target), "posix_spawn_file_actions_adddup2");
  }
  const allSignals = Buffer.alloc(STRUCTURE_BYTES, 0xff);
  const noSignals = Buffer.alloc(STRUCTURE_BYTES);
  succeed(attributesDefaults(attributes, allSignals), "posix_spawnattr_setsigdefault");
  succeed(attributesMask(attributes, noSignals), "posix_spawnattr_setsigmask");
  succeed(attributesFlags(attributes, SETSIGDEF | SETSIGMASK | SETSID), "posix_spawnattr_setflags");
}

/** These functions return errno instead of setting it. */
function succeed(errno: number, call: string, about?: string): void {
  if (errno !== 0) throw syscallError(call, errno, about);
}

/** A child inherits the umask: no wrapper could set it and leave the environment unchanged. */
export function withUmask<T>(mask: number | undefined, action: () => T): T {
  if (mask === undefined) return action();
  const own = process.umask(mask);
  try {
    return action();
  } finally {
    process.umask(own);
  }
}
