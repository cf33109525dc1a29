import { unlinkSync, writeFileSync } from "node:fs";

import { messageOf } from "../base/errors.ts";
import { presencePath } from "../base/preload.ts";

import { report } from "./report.ts";

/**
 * Leaves a file while this process runs, so that the supervisor knows that the replica has a Node.js process
 * which may listen with the preload: it then waits for READY=1, and holds and probes through the control
 * socket. A killed process leaves its file; the supervisor also checks the process.
 */
export function announcePresence(control: string): void {
  const path = presencePath(control, process.pid);
  try {
    writeFileSync(path, "", { mode: 0o600 });
  } catch (error) {
    report(`${path}: ${messageOf(error)}; the supervisor cannot wait for this process to listen`);
    return;
  }
  process.once("exit", () => {
    try {
      unlinkSync(path);
    } catch {
      // The supervisor removes remaining files when the replica has ended, which may be before this call.
    }
  });
}
