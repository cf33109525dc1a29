import { availableParallelism } from "node:os";

import { parsePortRange, portRangeFindings } from "./port-range.ts";
import { type Finding, type Key, pathText, quoted } from "./problems.ts";
import { sharedFindings } from "./references.ts";
import type { ResolvedSocket } from "./resolved.ts";
import type { CheckedService, CheckedTop } from "./schema.ts";
import { addressText, collide, listenSockets } from "./sockets.ts";

// The rules about the sockets and ports that several services share.

/** References of the app's `env` that one of its services has no socket for. */
export function sharedReferences(
  { env }: CheckedTop,
  declared: readonly ResolvedSocket[],
  services: ReadonlyMap<string, CheckedService>,
): readonly Finding[] {
  const enabled = [...services].filter(([, service]) => service.enabled !== false);
  return sharedFindings(
    env,
    enabled.map(([name, service]) => ({ name, listen: listenSockets(service, declared) })),
  );
}

/** Ranges of ports that do not fit the replicas, or one another. */
export function portRanges(
  declared: readonly ResolvedSocket[],
  services: ReadonlyMap<string, CheckedService>,
): readonly Finding[] {
  const enabled = [...services].filter(([, service]) => service.enabled !== false);
  const ported = enabled.flatMap(([name, service]) => {
    const range = parsePortRange(service.portRange ?? "");
    if (range === undefined) return [];
    const { replicas = 1, reload } = service;
    const startsFirst =
      reload?.order === "start-first" ||
      (reload?.order === undefined && listenSockets(service, declared).length > 0);
    const count = replicas === "cpus" ? availableParallelism() : replicas;
    return [{ name, range, replicas: count, startsFirst }];
  });
  const sockets = enabled.flatMap(([name, service]) =>
    listenSockets(service, declared).map(({ port = 0 }) => ({
      port,
      keys: ["services", name, "listen"],
    })),
  );
  return portRangeFindings(ported, sockets);
}

/** Sockets that cannot be bound at once. */
export function collisions(
  declared: readonly ResolvedSocket[],
  services: ReadonlyMap<string, CheckedService>,
): readonly Finding[] {
  const placed: { readonly socket: ResolvedSocket; readonly keys: readonly Key[] }[] = [];
  const findings: Finding[] = [];
  const place = (socket: ResolvedSocket, keys: readonly Key[]): void => {
    if (socket.port === 0 || placed.some((other) => other.socket.name === socket.name)) return;
    const other = placed.find((candidate) => collide(candidate.socket, socket));
    placed.push({ socket, keys });
    if (other === undefined) return;
    const says = `is ${quoted(addressText(socket))}, which cannot be bound together with ${quoted(addressText(other.socket))} of ${pathText(other.keys)}: use one socket, or another port.`;
    findings.push({ keys, says });
  };
  for (const socket of declared) place(socket, ["sockets", socket.name]);
  for (const [name, service] of services) {
    if (service.enabled === false) continue;
    for (const socket of listenSockets(service, declared))
      place(socket, ["services", name, "listen"]);
  }
  return findings;
}
