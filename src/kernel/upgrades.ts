import { accessSync, constants } from "node:fs";

import { messageOf } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import type { Log } from "../base/json-log.ts";
import { programPath } from "../base/modules.ts";
import { executeProgram } from "../posix/process.ts";
import { KERNEL_EXIT } from "./exit-codes.ts";
import { FRUGAL_ARGS } from "./frugal-args.ts";
import { isFile, leaveHandover, type ReceivedHandover } from "./handover.ts";
import type { OpenKernel } from "./kernel.ts";
import type { KernelServer } from "./server.ts";
import { type Build, refused, type Rehearsal, type Trial, tryBuild } from "./trial.ts";

const PROGRAM = programPath("kernel/main");
const ANSWER_MS = 20;

/** The upgrades of a running kernel: one at a time, and the first successful one is its last. */
export class Upgrades {
  readonly #home: Home;
  readonly #lockFd: number;
  readonly #log: Log;
  #isBusy = false;
  #trial: Trial | undefined;

  constructor({ home, lockFd }: { readonly home: Home; readonly lockFd: number }, log: Log) {
    this.#home = home;
    this.#lockFd = lockFd;
    this.#log = log;
  }

  /**
   * Tries a build; the build takes over once the answer was sent.
   *
   * @throws NEWEL_E_UPGRADE_REFUSED
   */
  async begin(
    { node = process.execPath, program = PROGRAM }: Partial<Build>,
    kernel: OpenKernel,
    server: KernelServer,
  ): Promise<Rehearsal> {
    const build = { node, program };
    if (this.#isBusy) throw refused(build, "another upgrade is under way");
    this.#isBusy = true;
    try {
      this.#check(build);
      this.#trial = tryBuild(kernel, this.#home, build);
      const rehearsal = await this.#trial.result;
      this.#log.info({ build, rehearsal }, "The build was tried and takes over.");
      setTimeout(() => void this.#replace(build, kernel, server), ANSWER_MS);
      return rehearsal;
    } catch (error) {
      this.#isBusy = false;
      throw error;
    } finally {
      this.#trial = undefined;
    }
  }

  /** Ends a trial in progress because the kernel ends; nothing of the trial stays. */
  abandon(): void {
    this.#trial?.abandon();
    this.#trial = undefined;
  }

  #check(build: Build): void {
    try {
      accessSync(build.node, constants.X_OK);
    } catch (error) {
      throw refused(build, messageOf(error));
    }
    if (!isFile(this.#lockFd, this.#home.kernelLock))
      throw refused(build, `the lock of ${this.#home.directory} was removed or replaced`);
  }

  async #replace(build: Build, kernel: OpenKernel, server: KernelServer): Promise<void> {
    try {
      kernel.keepClaims();
      const listeners = await server.handOver();
      // Last step, because requests of clients would open or close descriptors.
      const descriptors = await kernel.handOver();
      const handover = { ...descriptors, listeners, lockFd: this.#lockFd };
      try {
        this.#execute(build, handover);
      } catch (error) {
        this.#log.error(
          { err: error, build },
          "The build was not executed; the running build continues.",
        );
        this.#execute({ node: process.execPath, program: PROGRAM }, handover);
      }
    } catch (error) {
      // Ending loses nothing: the next kernel recovers as after a crash.
      this.#log.error({ err: error }, "The kernel could not replace itself.");
      process.exit(KERNEL_EXIT.failed);
    }
  }

  /**
   * Replaces this process's program: the pid stays, its children stay its children, and the listening sockets
   * and FIFOs stay open.
   */
  #execute({ node, program }: Build, handover: ReceivedHandover): never {
    const fd = leaveHandover(handover);
    const args = ["--home", this.#home.directory, "--handover-fd", String(fd)];
    executeProgram(node, [node, ...FRUGAL_ARGS, program, ...args], process.env);
  }
}
