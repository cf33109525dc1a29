import { existsSync, readdirSync, rmdirSync, unlinkSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname, join } from "node:path";

import { newelError, systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { formatAnswer, type ListenAnswer } from "../base/listening.ts";
import { type NodeFigures, parseFigures } from "../base/node-figures.ts";
import { acceptPath, CONTROL } from "../base/preload.ts";
import { sha256 } from "../base/sha256.ts";

const ANSWER_MS = 2_000;
const ANSWER_BYTES = 1_024;

/**
 * The beginning of the paths by which the preload and the supervisor meet, one for each generation of a
 * replica; src/base/preload.ts has the endings. Short, because socket paths are limited to 107 bytes.
 */
export function controlPath(home: Home, kernelName: string): string {
  const directory = privateControl(home, kernelName);
  return existsSync(directory) ? join(directory, "c") : controlName(home, kernelName);
}

/** The directory of the control sockets of a process that runs as another user; see other-users.ts. */
export function privateControl(home: Home, kernelName: string): string {
  return `${controlName(home, kernelName)}-`;
}

function controlName(home: Home, kernelName: string): string {
  return join(home.controlDirectory, sha256(kernelName).slice(0, 12));
}

/** Gives a process of a replica the answer to its question where it may listen; `false` when none waits for it. */
export async function answerListen(path: string, answer: ListenAnswer): Promise<boolean> {
  const line = `${CONTROL.listen} ${formatAnswer(answer)}`;
  for (const pid of pidsOf(path, "")) {
    const socket = await converse(`${path}.${pid}`, line);
    socket?.destroy();
    if (socket !== undefined) return true;
  }
  return false;
}

/**
 * Lets a held replica accept connections. A process that listens only afterwards, such as the app below
 * an npm that is still starting, finds a file and accepts at once.
 */
export async function letAccept(path: string): Promise<void> {
  writeOnce(acceptPath(path));
  for (const pid of pidsOf(path, "")) (await converse(`${path}.${pid}`, CONTROL.accept))?.destroy();
}

/**
 * The figures of each process of a replica that has a control socket, by pid; `undefined` for one that does not
 * answer now, or whose preload has no control socket.
 */
export async function askFigures(
  path: string,
): Promise<ReadonlyMap<number, NodeFigures | undefined>> {
  const asked = pidsOf(path, "")
    .filter(isAlive)
    .map(async (pid) => [pid, await figuresOf(`${path}.${pid}`)] as const);
  return new Map(await Promise.all(asked));
}

function figuresOf(path: string): Promise<NodeFigures | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let answer = "";
    const end = (figures?: NodeFigures): void => {
      socket.destroy();
      resolve(figures);
    };
    socket.setTimeout(ANSWER_MS, () => end());
    // Its process has ended, or is too busy to accept.
    socket.on("error", () => end());
    socket.on("end", () => end());
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      if (answer.endsWith("\n") || answer.length > ANSWER_BYTES) end(parseFigures(answer));
    });
    socket.write(`${CONTROL.figures}\n`);
  });
}

/** Whether a Node.js process of the replica has the preload and may still listen. */
export function mayListen(path: string): boolean {
  return pidsOf(path, ".node").some(isAlive);
}

/** Whether a process of the replica has a control socket: it is the server. */
export function hasControl(path: string): boolean {
  return pidsOf(path, "").some(isAlive);
}

/** Makes an empty file. It follows no link: the directory may belong to the user of the service. */
function writeOnce(path: string): void {
  try {
    writeFileSync(path, "", { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw error;
  }
}

/** Removes the files of a replica that has ended. */
export function clearControl(path: string): void {
  for (const name of namesOf(path)) remove(() => unlinkSync(join(dirname(path), name)));
  if (dirname(path).endsWith("-")) remove(() => rmdirSync(dirname(path)));
}

/** A directory that the service itself made there stays: newel removes no tree that another user can change. */
function remove(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!["ENOENT", "EISDIR", "EPERM", "ENOTEMPTY"].includes(systemCode(error) ?? "")) throw error;
  }
}

function namesOf(path: string): string[] {
  const beginning = `${basename(path)}.`;
  return readdirSync(dirname(path)).filter((name) => name.startsWith(beginning));
}

/** The processes of a replica that have a file with this ending. */
function pidsOf(path: string, ending: string): number[] {
  const start = basename(path).length + 1;
  return namesOf(path).flatMap((name) => {
    const pid = name.slice(start, ending === "" ? undefined : -ending.length);
    return name.endsWith(ending) && /^\d+$/.test(pid) ? [Number(pid)] : [];
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) === "EPERM";
  }
}

/**
 * One HTTP request to the replica's own server, past the shared socket.
 *
 * @returns the status code; `undefined` when no process of it has a server to ask yet
 */
export async function probeThroughControl(path: string, url: string): Promise<number | undefined> {
  let socket: Socket | undefined;
  for (const pid of pidsOf(path, "")) socket ??= await converse(`${path}.${pid}`, CONTROL.probe);
  return socket === undefined
    ? undefined
    : httpStatus({ createConnection: () => socket }, url, undefined);
}

/** One HTTP request; its status code, `undefined` when there was no answer. */
export function httpStatus(
  target:
    | { readonly createConnection: () => Socket }
    | { readonly host: string; readonly port: number }
    | { readonly socketPath: string },
  path: string,
  hostHeader: string | undefined,
): Promise<number | undefined> {
  // Loaded with the first probe: it takes 0.4 MB, and few services are probed by HTTP.
  const { request } = process.getBuiltinModule("node:http");
  return new Promise((resolve) => {
    const outgoing = request(
      {
        ...target,
        path,
        // With an agent, even a false one, Node would not ask for our connection.
        ...("createConnection" in target ? {} : { agent: false as const }),
        timeout: ANSWER_MS,
        headers: { host: hostHeader ?? "localhost", connection: "close" },
      },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    outgoing.on("timeout", () => outgoing.destroy());
    // No error: the probe is repeated until the time to get ready is over.
    outgoing.on("error", () => resolve(undefined));
    outgoing.end();
  });
}

/** Sends a line and waits for `ok`; the connection then is the caller's. */
function converse(path: string, line: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const fail = (error?: Error): void => {
      socket.destroy();
      const code = systemCode(error);
      if (
        error === undefined ||
        code === "ENOENT" ||
        code === "ECONNREFUSED" ||
        code === "ECONNRESET"
      )
        resolve(undefined);
      else
        reject(
          newelError(
            "NEWEL_E_INTERNAL",
            { what: `the control socket ${path}: ${error.message}` },
            error,
          ),
        );
    };
    socket.setTimeout(ANSWER_MS, () => fail());
    socket.on("error", fail);
    socket.on("end", () => fail());
    let answer = "";
    // The peer is silent after its line, until it is asked: nothing is lost between two listeners.
    socket.on("data", function hear(chunk: Buffer) {
      answer += chunk.toString("latin1");
      if (!answer.endsWith("\n") && answer.length < ANSWER_BYTES) return;
      if (answer !== "ok\n") return fail();
      socket.removeAllListeners("end").removeListener("data", hear).removeListener("error", fail);
      socket.setTimeout(0);
      resolve(socket);
    });
    socket.write(`${line}\n`);
  });
}
