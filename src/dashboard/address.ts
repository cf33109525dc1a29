import { resolve } from "node:path";

import { newelError } from "../base/errors.ts";
import type { ListenAddress } from "../posix/listen-private.ts";

/** The port of `newel dash`, unless another one is given. */
export const DEFAULT_ADDRESS = "127.0.0.1:7070";

/** Unix allows no longer path of a socket, in bytes. */
const PATH_BYTES = 107;

/**
 * Reads `--listen`: `7070`, `127.0.0.1:7070`, `[::1]:7070`, or the path of a Unix socket. Port 0 is any free port.
 *
 * @throws NEWEL_E_DASH_ADDRESS for a text that is no address
 * @throws NEWEL_E_DASH_PUBLIC for an address that other machines may reach
 */
export function readAddress(text: string, directory: string): ListenAddress {
  if (text.includes("/")) return readPath(text, directory);
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw newelError("NEWEL_E_DASH_ADDRESS", { address: text, why: "it is no address" });
  const host = match[1] ?? match[2] ?? "127.0.0.1";
  if (host === "localhost") return { host: "127.0.0.1", port };
  if (host === "::1" || /^127(\.\d{1,3}){3}$/.test(host)) return { host, port };
  throw newelError("NEWEL_E_DASH_PUBLIC", { address: text, port });
}

function readPath(text: string, directory: string): ListenAddress {
  const path = resolve(directory, text);
  const bytes = Buffer.byteLength(path);
  if (bytes <= PATH_BYTES) return { path };
  const why = `it is ${bytes} bytes long, and Unix allows ${PATH_BYTES}`;
  throw newelError("NEWEL_E_DASH_ADDRESS", { address: path, why });
}
