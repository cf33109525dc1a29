import type { Logger } from "pino";

import { newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { programPath } from "../base/modules.ts";
import { KERNEL_EXIT } from "./exit-codes.ts";
import type { OpenKernel } from "./kernel.ts";
import type { KernelServer } from "./server.ts";
import { type Build, type Rehearsal, replaceKernel, tryBuild } from "./upgrade.ts";

const PROGRAM = programPath("kernel/main");
const ANSWER_MS = 20;

/** The upgrades of a kernel that runs: one at a time, and the one that succeeds is its last. */
export class Upgrades {
  readonly #home: Home;
  readonly #lockFd: number;
  readonly #log: Logger;
  #isBusy = false;

  constructor({ home, lockFd }: { readonly home: Home; readonly lockFd: number }, log: Logger) {
    this.#home = home;
    this.#lockFd = lockFd;
    this.#log = log;
  }

  /**
   * Tries a build; it takes over once the answer has left.
   *
   * @throws NEWEL_E_UPGRADE_REFUSED
   */
  async begin(
    { node = process.execPath, program = PROGRAM }: Partial<Build>,
    kernel: OpenKernel,
    server: KernelServer,
  ): Promise<Rehearsal> {
    const build = { node, program };
    if (this.#isBusy)
      throw newelError("NEWEL_E_UPGRADE_REFUSED", { program, why: "another upgrade goes on" });
    this.#isBusy = true;
    try {
      const rehearsal = await tryBuild(kernel, this.#home, build);
      this.#log.info({ build, rehearsal }, "The build was tried and takes over.");
      setTimeout(() => void this.#replace(build, kernel, server), ANSWER_MS);
      return rehearsal;
    } catch (error) {
      this.#isBusy = false;
      throw error;
    }
  }

  async #replace(build: Build, kernel: OpenKernel, server: KernelServer): Promise<void> {
    try {
      kernel.keepClaims();
      const listeners = await server.handOver();
      // Last: what a client asked for meanwhile would open or close descriptors.
      const handover = await kernel.handOver();
      replaceKernel(build, this.#home, { ...handover, listeners, lockFd: this.#lockFd });
    } catch (error) {
      // Nothing is lost by ending: the next kernel recovers, as after a crash.
      this.#log.error({ err: error }, "The kernel could not replace itself.");
      process.exit(KERNEL_EXIT.failed);
    }
  }
}
