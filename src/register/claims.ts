import { readFileSync } from "node:fs";

import { bindPipe, type ServerHandle } from "./internals.ts";
import { report } from "./report.ts";
import type { Target } from "./settings.ts";

/** The bytes of an abstract name: an address has 108, the first of which is NUL. */
const NAME_BYTES = 107;

/**
 * Decides which process of a replica gets an inherited socket when several of them, such as a wrapper and its
 * child, listen on its address: the first one. A claim is a Unix socket that is bound to a name of this
 * replica and target in the abstract namespace of Linux: binding is atomic, and the name becomes free when
 * its process ends, even by a crash.
 */
export interface Claims {
  /** Claims a target; returns `false` when another living process of this replica has it. */
  claim(target: Target): boolean;
  /** Whether another process of this replica has claimed a target. */
  isElsewhere(target: Target): boolean;
}

/** @param mark - the random text that identifies a replica; without it this process is the only one */
export function openClaims(mark: string | undefined): Claims {
  const own = new Map<string, ServerHandle | undefined>();
  const canClaim = mark !== undefined && process.platform === "linux";
  const nameOf = (target: Target): string => claimName(mark ?? "", target.name);
  return {
    claim(target) {
      if (!canClaim || own.has(target.name)) return true;
      const handle = bindPipe(`\0${nameOf(target)}`);
      if (handle === "EADDRINUSE") return false;
      if (typeof handle === "string")
        report(`the socket ${target.name} cannot be claimed (${handle}); it is taken without`);
      own.set(target.name, typeof handle === "string" ? undefined : handle);
      return true;
    },
    isElsewhere(target) {
      if (!canClaim || own.has(target.name)) return false;
      // A line of the table of Unix sockets ends with the name; `@` stands for its first NUL.
      return readFileSync("/proc/net/unix", "utf8")
        .split("\n")
        .some((line) => line.endsWith(` @${nameOf(target)}`));
    },
  };
}

// The name fills the whole address: the libuv of Node.js 20 pads a shorter name with NUL characters, which
// Linux treats as another name than the one that later versions bind.
function claimName(mark: string, target: string): string {
  const beginning = `newel-listen/${mark.slice(0, 36)}/`;
  return (beginning + target.slice(beginning.length - NAME_BYTES)).padEnd(NAME_BYTES, ".");
}
