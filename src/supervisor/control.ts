import { createHash } from "node:crypto";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";

import { newelError, systemCode } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { CONTROL } from "../base/preload.ts";

const ANSWER_MS = 2_000;

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
        agent: false,
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
    let answer = "";
    socket.setTimeout(ANSWER_MS, () => fail());
    socket.on("error", fail);
    socket.on("end", () => fail());
    socket.on("readable", function onReadable() {
      for (
        let byte: Buffer | null = socket.read(1) as Buffer | null;
        byte !== null;
        byte = socket.read(1) as Buffer | null
      ) {
        if (byte[0] !== 0x0a) {
          answer += byte.toString("latin1");
          continue;
        }
        if (answer !== "ok") return fail();
        socket.removeListener("readable", onReadable);
        socket.removeAllListeners("end");
        socket.removeListener("error", fail);
        socket.setTimeout(0);
        return resolve(socket);
      }
    });
    socket.write(`${line}\n`);
  });
}
