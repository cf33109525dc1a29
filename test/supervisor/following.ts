import { join } from "node:path";

import { preloadPath } from "../../src/base/modules.ts";
import { parseReport } from "../../src/base/listening.ts";
import { withPreload } from "../../src/base/node-options.ts";
import { PRELOAD_ENV } from "../../src/base/preload.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import { answerListen } from "../../src/supervisor/control.ts";
import { GROUP, Listening } from "../../src/supervisor/listening.ts";
import { startDaemon } from "../kernel/client/daemon.ts";
import {
  cleanUp,
  eventually,
  isAlive,
  type Scope,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";

/** A kernel with one socket without a host, and the part of the supervisor that decides about it. */
export class Following {
  readonly kernel: KernelClient;
  readonly listening: Listening;
  readonly port: number;
  readonly #directory: string;
  readonly #wrapped: KernelClient;
  readonly #pids: number[] = [];

  private constructor(scope: Scope, kernel: KernelClient, port: number) {
    this.kernel = kernel;
    this.port = port;
    this.#directory = temporaryDirectory(scope);
    this.listening = new Listening({ kernel, log: () => undefined });
    this.#wrapped = this.listening.wrap(kernel);
    const abort = new AbortController();
    cleanUp(scope, () => {
      abort.abort();
      for (const pid of this.#pids) if (isAlive(pid)) sendSignal(pid, "SIGKILL");
    });
    void this.#follow(abort.signal);
  }

  static async start(scope: Scope, port: number): Promise<Following> {
    const { home } = await startDaemon(scope);
    const kernel = await connectKernel({ home });
    cleanUp(scope, () => kernel.close());
    await kernel.sockets.make({ name: "app/web", port, later: true });
    return new Following(scope, kernel, port);
  }

  /**
   * Starts a program with the preload, which gets the socket when it listens on the port.
   *
   * @param script - its text, or the absolute path of a file
   */
  async run(name: string, script: string, env: Record<string, string> = {}): Promise<number> {
    const { pid } = await this.#wrapped.processes.make({
      name,
      args: [
        process.execPath,
        ...(script.startsWith("/") ? [script] : ["--input-type=module", "-e", script]),
      ],
      env: {
        PORT: String(this.port),
        NODE_OPTIONS: withPreload(undefined, preloadPath()),
        [PRELOAD_ENV.listen]: JSON.stringify([{ name: "web", port: this.port, follows: true }]),
        [PRELOAD_ENV.control]: this.#controlOf(name),
        [PRELOAD_ENV.entry]: "1",
        [PRELOAD_ENV.process]: name,
        ...env,
      },
      workingDir: process.cwd(),
      sockets: [`app/web${GROUP}`],
      notify: true,
    });
    this.#pids.push(pid);
    return pid;
  }

  /** Resolves once the program listens on its targets; throws its output when it ends before. */
  async ready(name: string): Promise<void> {
    await eventually(async () => {
      const [info] = await this.kernel.processes.list(name);
      if (info?.running !== true) throw new Error(`ended: ${await this.output(name)}`);
      return info.ready;
    }, `${name} is ready`);
  }

  /** Resolves with the output of the program once it has ended. */
  async ended(name: string): Promise<string> {
    await eventually(
      async () => (await this.kernel.processes.list(name))[0]?.closed,
      `${name} has ended`,
    );
    return this.output(name);
  }

  /** Resolves with the first line of the program's output. */
  async printed(name: string): Promise<string> {
    const read = async (): Promise<string | undefined> => (await this.output(name)) || undefined;
    return eventually(read, `${name} prints a line`);
  }

  async output(name: string): Promise<string> {
    return (await this.kernel.processes.tail(name, 100)).join("\n");
  }

  /** The hosts that are bound now. */
  async hosts(): Promise<readonly string[]> {
    const sockets = await this.kernel.sockets.list("app/web*");
    return sockets.flatMap(({ host }) => host ?? []);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for await (const { type, name, listen = "" } of this.kernel.events({ since: 0, signal })) {
      if (type === "ended") this.listening.ended(name);
      const report = type === "listen" ? parseReport(listen) : undefined;
      if (report?.kind !== "ask") continue;
      const answer = await this.listening.answer(name, "app/web", report);
      await answerListen(this.#controlOf(name), answer);
    }
  }

  #controlOf(name: string): string {
    return join(this.#directory, name);
  }
}
