import { isIP, isIPv4, isIPv6 } from "node:net";

import { newelError } from "../base/errors.ts";
import { checkName } from "../base/names.ts";
import type { SocketInfo, SocketRequest } from "./api.ts";
import { settleLater } from "./late-sockets.ts";
import { canonicalPath, checkSocketPath } from "./socket-paths.ts";
import { LOOPBACK } from "./open-socket.ts";

const WILDCARD = { inet: "0.0.0.0", inet6: "::" } as const;

/** The socket of a request, with every default filled in. */
export function settle(request: SocketRequest): SocketInfo {
  checkName(request.name, "The socket name");
  if (request.later === true) return settleLater(request);
  const common = {
    name: request.name,
    type: request.type ?? "stream",
    backlog: request.backlog ?? 5,
  };
  if (request.path !== undefined || request.family === "unix") {
    return {
      ...common,
      family: "unix",
      path: checkSocketPath(request.path),
      ...(request.umask === undefined ? {} : { umask: request.umask }),
      ...(request.uid === undefined ? {} : { uid: request.uid }),
      ...(request.gid === undefined ? {} : { gid: request.gid }),
    };
  }
  const family =
    request.family ?? (request.host !== undefined && isIPv6(request.host) ? "inet6" : "inet");
  const defaults = request.interface === undefined ? LOOPBACK : WILDCARD;
  return {
    ...common,
    family,
    host: numericHost(request.host ?? defaults[family], family),
    port: request.port ?? 0,
    ...(request.interface === undefined ? {} : { interface: request.interface }),
    ...(request.reuseport === true ? { reuseport: true } : {}),
  };
}

/** The numeric address of a host of the request; `localhost` is the loopback address of the family. */
export function numericHost(host: string, family: "inet" | "inet6"): string {
  if (host === "localhost") return LOOPBACK[family];
  const right = family === "inet" ? isIPv4(host) : isIPv6(host) && !host.includes("%");
  if (right) return host;
  const why = isIP(host) === 0 ? "it is no IP address" : `it is no ${family} address`;
  throw newelError("NEWEL_E_COMMAND", { what: `Bad host ${host}: ${why}` });
}

/**
 * Whether an existing socket has the requested settings: port 0 matches any port, reuseport is not compared.
 */
export function sameSettings(wanted: SocketInfo, existing: SocketInfo): boolean {
  const keys = ["family", "type", "backlog", "umask", "uid", "gid", "interface", "later"] as const;
  const samePort = wanted.port === undefined || wanted.port === 0 || wanted.port === existing.port;
  const samePath =
    wanted.path === existing.path ||
    (wanted.path !== undefined &&
      existing.path !== undefined &&
      canonicalPath(wanted.path) === canonicalPath(existing.path));
  // The host of a `later` socket is decided by bind.
  const sameHost = wanted.later === true || wanted.host === existing.host;
  return samePort && samePath && sameHost && keys.every((key) => wanted[key] === existing[key]);
}
