import { createHash } from "node:crypto";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";

import { newelError, systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { CONTROL } from "../base/preload.ts";

const ANSWER_MS = 2_000;
const ANSWER_BYTES = 1_024;

/** Where the preload of a process listens for the supervisor. Short: socket paths have 107 bytes. */
export function controlPath(home: Home, kernelName: string): string {
  const id = createHash("sha256").update(kernelName).digest("hex").slice(0, 16);
  return join(home.controlDirectory, `${id}.sock`);
}

/** Lets a held process accept connections; `false` when it has no control socket (no preload, or ended). */
export async function letAccept(path: string): Promise<boolean> {
  const socket = await converse(path, CONTROL.accept);
  socket?.destroy();
  return socket !== undefined;
}

/**
 * One HTTP request to the process's own server, past the shared socket.
 *
 * @returns the status code; `undefined` when the process has no server to ask yet
 */
export async function probeThroughControl(path: string, url: string): Promise<number | undefined> {
  const socket = await converse(path, CONTROL.probe);
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
    // No answer is an answer here: it is asked again until the time to get ready is over.
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
