import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";

import { messageOf, newelError } from "../base/errors.ts";
import type { SocketInfo } from "./api.ts";
import type { ProcessRequest } from "./process-api.ts";

/** A request made ready to be executed. */
export interface Launch {
  readonly file: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** The sockets it gets, from descriptor 3 on. */
  readonly sockets: readonly string[];
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const FIRST_DESCRIPTOR = 3;
const SHELL_VARIABLES = ["OLDPWD", "PWD", "SHLVL"];

/**
 * Determines the command to execute: replaces sockets in the arguments, finds the program, and puts the exec
 * wrapper before it where a setting must be made between fork and exec.
 *
 * @param findSocket - throws NEWEL_E_SOCKET_MISSING
 * @throws NEWEL_E_BAD_COMMAND, NEWEL_E_BAD_WORKING_DIR, NEWEL_E_NOT_ROOT, NEWEL_E_COMMAND
 */
export function prepareLaunch(
  request: ProcessRequest,
  findSocket: (name: string) => SocketInfo,
): Launch {
  const workingDir = checkWorkingDir(request.workingDir ?? "/");
  const sockets: string[] = [];
  const pass = (name: string): number => {
    findSocket(name);
    if (!sockets.includes(name)) sockets.push(name);
    return FIRST_DESCRIPTOR + sockets.indexOf(name);
  };
  for (const name of request.sockets ?? []) pass(name);
  const listed = sockets.length;
  const args = request.args.map((word) => substitute(word, pass, findSocket));
  const [program] = args;
  if (program === undefined || program === "") {
    throw newelError("NEWEL_E_BAD_COMMAND", { command: "(none)", why: "no command given" });
  }
  const env = { ...request.env };
  if (listed > 0) {
    env["LISTEN_FDS"] = String(listed);
    env["LISTEN_FDNAMES"] = socketNames(request, sockets.slice(0, listed));
  }
  if (request.notify === true) env["NEWEL_NOTIFY_FD"] = String(FIRST_DESCRIPTOR + sockets.length);
  const argv = request.shell === true ? ["/bin/sh", "-c", args.join(" ")] : args;
  const file = request.shell === true ? "/bin/sh" : findProgram(program, env["PATH"], workingDir);
  const { uid, gid } = findUser(request);
  checkMayBecome(uid, gid);
  if ((request.nice ?? 0) < 0 && process.getuid?.() !== 0)
    throw newelError("NEWEL_E_NOT_ROOT", {
      who: `nice ${request.nice}`,
      own: process.getuid?.() ?? -1,
    });
  return { ...wrap(file, argv, request, uid, gid), env, workingDir, sockets, uid, gid };
}

/** Refuses, before anything is made, a process for another user unless this process is root. */
function checkMayBecome(uid: number | undefined, gid: number | undefined): void {
  const [own, ownGroup] = [process.getuid?.(), process.getgid?.()];
  if (own === undefined || own === 0) return;
  if ((uid ?? own) !== own) throw newelError("NEWEL_E_NOT_ROOT", { who: `uid ${uid}`, own });
  if ((gid ?? ownGroup) !== ownGroup)
    throw newelError("NEWEL_E_NOT_ROOT", { who: `gid ${gid}`, own });
}

/** The names that the request gives its sockets, one for each; otherwise their names in the kernel. */
function socketNames({ env }: ProcessRequest, sockets: readonly string[]): string {
  const given = env?.["LISTEN_FDNAMES"];
  if (given !== undefined && given.split(":").length === sockets.length) return given;
  return sockets.map(plainName).join(":");
}

/** The name of a socket for a program: `shop/web` is `web`, and a colon would end the name. */
function plainName(socket: string): string {
  return socket.slice(socket.lastIndexOf("/") + 1).replaceAll(":", "_");
}

/** Replaces `$(socket.NAME.fileno)` and `$(socket.NAME.port)`; any other `$(…)` stays as it is. */
function substitute(
  word: string,
  pass: (name: string) => number,
  findSocket: (name: string) => SocketInfo,
): string {
  return word.replace(/\$\((socket\.[^)]*)(\)?)/g, (_, inner: string, closing: string) => {
    if (closing === "") throw newelError("NEWEL_E_COMMAND", { what: `Missing ) after $(${inner}` });
    const reference = /^socket\.(.+)\.(fileno|port)$/.exec(inner);
    if (reference === null) {
      throw newelError("NEWEL_E_COMMAND", {
        what: `$(${inner}) needs .fileno or .port after the socket's name`,
      });
    }
    const [, name = "", part] = reference;
    if (part === "fileno") return String(pass(name));
    const { port } = findSocket(name);
    if (port === undefined)
      throw newelError("NEWEL_E_COMMAND", { what: `Socket ${name} has no port` });
    return String(port);
  });
}

function checkWorkingDir(path: string): string {
  try {
    if (!statSync(path).isDirectory()) {
      throw newelError("NEWEL_E_BAD_WORKING_DIR", { path, why: "it is not a directory" });
    }
    accessSync(path, constants.X_OK);
    return path;
  } catch (error) {
    if (error instanceof Error && error.name === "NewelError") throw error;
    throw newelError("NEWEL_E_BAD_WORKING_DIR", { path, why: messageOf(error) }, error);
  }
}

/** The file of a program, searched as by execvp(3), in the PATH of the process. */
function findProgram(program: string, path: string | undefined, workingDir: string): string {
  const candidates = program.includes("/")
    ? [isAbsolute(program) ? program : resolve(workingDir, program)]
    : (path ?? DEFAULT_PATH).split(":").map((directory) => resolve(workingDir, directory, program));
  let why = "no such file";
  for (const file of candidates) {
    try {
      if (!statSync(file).isFile()) continue;
      accessSync(file, constants.X_OK);
      return file;
    } catch (error) {
      if (messageOf(error).startsWith("EACCES")) why = "it is not executable";
    }
  }
  throw newelError("NEWEL_E_BAD_COMMAND", { command: program, why });
}

/**
 * The exec wrapper: the settings that must be made in the process itself before the program begins. Each link
 * executes the next, so the pid stays; prlimit and setpriv are part of util-linux.
 */
function wrap(
  file: string,
  argv: readonly string[],
  request: ProcessRequest,
  uid: number | undefined,
  gid: number | undefined,
): { file: string; argv: readonly string[] } {
  let chain = { file, argv };
  const prefix = (program: string, args: readonly string[]): void => {
    const wrapper = findProgram(program, DEFAULT_PATH, "/");
    chain = { file: wrapper, argv: [wrapper, ...args, "--", chain.file, ...chain.argv.slice(1)] };
  };
  if (request.listenPid === true) {
    // Only the process itself knows its pid. Variables that the shell adds to the environment are removed.
    const added = SHELL_VARIABLES.filter((name) => request.env?.[name] === undefined);
    chain = {
      file: "/bin/sh",
      argv: [
        "/bin/sh",
        "-c",
        `unset ${added.join(" ")}; LISTEN_PID=$$; export LISTEN_PID; exec "$0" "$@"`,
        chain.file,
        ...chain.argv.slice(1),
      ],
    };
  }
  if (uid !== undefined || gid !== undefined) prefix("setpriv", identityFlags(uid, gid));
  const limits = Object.entries(request.rlimits ?? {});
  if (limits.length > 0)
    prefix(
      "prlimit",
      limits.map(([name, value]) => `--${limitName(name)}=${value}:${value}`),
    );
  // First of all, with the rights of the kernel.
  const { nice = 0 } = request;
  if (nice !== 0) prefix("nice", ["-n", String(nice)]);
  return chain;
}

function identityFlags(uid: number | undefined, gid: number | undefined): string[] {
  return [
    ...(gid === undefined ? [] : [`--regid=${gid}`]),
    ...(uid === undefined ? [] : [`--reuid=${uid}`]),
    uid !== undefined && userOf(String(uid)) !== undefined ? "--init-groups" : "--clear-groups",
  ];
}

const LIMIT_NAMES = new Set([
  "as",
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
]);

function limitName(name: string): string {
  const plain = name.toLowerCase().replace(/^rlimit_/, "");
  if (!LIMIT_NAMES.has(plain))
    throw newelError("NEWEL_E_COMMAND", { what: `Unknown rlimit ${name}` });
  return plain;
}

function findUser(request: ProcessRequest): { uid: number | undefined; gid: number | undefined } {
  if (request.uid === undefined && request.gid === undefined)
    return { uid: undefined, gid: undefined };
  const user = request.uid === undefined ? undefined : userOf(String(request.uid));
  const uid = typeof request.uid === "number" ? request.uid : (user?.uid ?? numeric(request.uid));
  if (request.uid !== undefined && uid === undefined) {
    throw newelError("NEWEL_E_COMMAND", { what: `Unknown user ${request.uid}` });
  }
  const named = request.gid === undefined ? undefined : groupOf(String(request.gid));
  const gid =
    request.gid === undefined
      ? user?.gid
      : typeof request.gid === "number"
        ? request.gid
        : (named ?? numeric(request.gid));
  if (request.gid !== undefined && gid === undefined) {
    throw newelError("NEWEL_E_COMMAND", { what: `Unknown group ${request.gid}` });
  }
  return { uid, gid };
}

function numeric(value: number | string | undefined): number | undefined {
  return value !== undefined && /^\d+$/.test(String(value)) ? Number(value) : undefined;
}

function userOf(nameOrUid: string): { uid: number; gid: number } | undefined {
  const line = databaseLine("/etc/passwd", nameOrUid);
  return line === undefined ? undefined : { uid: Number(line[2]), gid: Number(line[3]) };
}

function groupOf(nameOrGid: string): number | undefined {
  const line = databaseLine("/etc/group", nameOrGid);
  return line === undefined ? undefined : Number(line[2]);
}

function databaseLine(file: string, nameOrId: string): string[] | undefined {
  return readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name, , id]) => name === nameOrId || id === nameOrId);
}
