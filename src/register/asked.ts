import type * as dnsModule from "node:dns";
import { createRequire } from "node:module";

import { EVERY, IPV6_ONLY, LOOPBACK, toHost } from "../base/listening.ts";

/** The hosts that a listen() asks for, or the name that stands for one host. */
export type Asked = { readonly hosts: readonly string[] } | { readonly name: string };

/** Reads the host of listen() as Node.js does, but `localhost` is the loopback address of both families. */
export function askedOf(options: Readonly<Record<string, unknown>>): Asked {
  const { host, ipv6Only } = options;
  const only = ipv6Only === true;
  if (typeof host !== "string" || host === "") return { hosts: [only ? IPV6_ONLY : EVERY] };
  if (/^localhost\.?$/i.test(host)) return { hosts: LOOPBACK };
  const literal = toHost(host);
  if (literal === undefined) return { name: host };
  return { hosts: [literal === "::" && only ? IPV6_ONLY : literal] };
}

/**
 * Resolves a name as Node's listen() does: to the first address that is not link-local.
 *
 * @returns `undefined` for an address that only Node.js itself can bind, such as `fe80::1%eth0`
 */
export async function lookUp(asked: Asked): Promise<readonly string[] | undefined> {
  if ("hosts" in asked) return asked.hosts;
  // Loaded here, because few apps listen on a name.
  const { promises } = createRequire("/")("node:dns") as typeof dnsModule;
  const addresses = await promises.lookup(asked.name, { all: true });
  const usable = addresses.find(({ address }) => !/^fe[89ab]/i.test(address)) ?? addresses[0];
  const host = usable === undefined ? undefined : toHost(usable.address);
  return host === undefined ? undefined : [host];
}
