import { isIPv6 } from "node:net";

/** This many wrong secrets of one address cause no delay: people mistype, and deployments roll. */
const FREE_FAILURES = 5;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 5_000;
/** After this time without a wrong secret the count of an address starts again. */
const FORGET_MS = 600_000;
/** The number of handshakes of one address that may wait; further ones are closed. */
const MAX_WAITING = 32;
const MAX_ADDRESSES = 10_000;

interface Address {
  failures: number;
  lastMs: number;
  /** The time at which its next handshake may begin. */
  nextMs: number;
  waiting: number;
}

/**
 * Slows down an address that guesses secrets: after five wrong secrets its handshakes begin one at
 * a time, with growing pauses of up to five seconds. Other addresses are not affected.
 */
export class Guesses {
  readonly #addresses = new Map<string, Address>();

  /** Milliseconds until a handshake may begin; `undefined` when too many of that address wait. */
  delayMs(ip: string, nowMs: number): number | undefined {
    const address = this.#addresses.get(networkOf(ip));
    if (address === undefined || address.failures < FREE_FAILURES) return 0;
    if (address.waiting >= MAX_WAITING) return undefined;
    const step = FIRST_DELAY_MS * 2 ** Math.min(20, address.failures - FREE_FAILURES);
    const beginMs = Math.max(nowMs, address.nextMs);
    address.nextMs = beginMs + Math.min(LONGEST_DELAY_MS, step);
    address.waiting += 1;
    return address.nextMs - nowMs;
  }

  /** A handshake that waited begins. */
  begun(ip: string): void {
    const address = this.#addresses.get(networkOf(ip));
    if (address !== undefined && address.waiting > 0) address.waiting -= 1;
  }

  /** @returns the number of wrong secrets that the address has sent so far */
  failed(ip: string, nowMs: number): number {
    this.#forget(nowMs);
    const key = networkOf(ip);
    const address = this.#addresses.get(key) ?? { failures: 0, lastMs: 0, nextMs: 0, waiting: 0 };
    address.failures += 1;
    address.lastMs = nowMs;
    // Keep the map in order of last use.
    this.#addresses.delete(key);
    this.#addresses.set(key, address);
    return address.failures;
  }

  succeeded(ip: string): void {
    this.#addresses.delete(networkOf(ip));
  }

  #forget(nowMs: number): void {
    for (const [key, { lastMs }] of this.#addresses) {
      if (nowMs - lastMs < FORGET_MS && this.#addresses.size < MAX_ADDRESSES) return;
      this.#addresses.delete(key);
    }
  }
}

/** An IPv6 client controls all addresses of its /64. */
function networkOf(ip: string): string {
  if (!isIPv6(ip) || ip.includes(".")) return ip;
  const [head = "", tail] = ip.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":");
}
