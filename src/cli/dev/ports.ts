import { isNewelError } from "../../base/errors.ts";
import { parseReport } from "../../base/listening.ts";
import type { Progress } from "../../supervisor/api.ts";
import { parseRunName } from "../../supervisor/process-names.ts";
import type { ForegroundSession } from "../foreground.ts";
import type { Output } from "../output/output.ts";
import type { Ports } from "./source.ts";

type Failure = Extract<Progress, { type: "failed" }>;

/** The maximum number of detected ports. Without it, a program that listens on another port at each start would be restarted endlessly. */
const MOST_PORTS = 4;

interface DevPortsParts {
  readonly session: ForegroundSession;
  readonly output: Output;
  /** Starts the program again with the sockets that it is known to need. */
  readonly restart: () => Promise<void>;
}

/**
 * Learns on which ports a program listens: its processes ask for an expected port, and report any other one. One
 * more start then gives it the socket, which later restarts keep.
 */
export class DevPorts {
  readonly #ports: Ports | undefined;
  readonly #parts: DevPortsParts;
  readonly #hinted = new Set<string>();
  readonly #isReady = Promise.withResolvers<void>();
  #learned = 0;

  constructor(ports: Ports | undefined, parts: DevPortsParts) {
    this.#ports = ports;
    this.#parts = parts;
  }

  /** The first start is over: the program may be started again. */
  ready(): void {
    this.#isReady.resolve();
  }

  async follow(): Promise<void> {
    const { kernel, ending } = this.#parts.session;
    try {
      for await (const event of kernel.events({ signal: ending })) {
        if (event.noun !== "process" || event.type !== "listen") continue;
        const report = parseReport(event.listen ?? "");
        if (report?.kind === "ask") this.#ports?.confirm();
        if (report?.kind === "elsewhere") await this.#elsewhere(event.name, report.port);
      }
    } catch (error) {
      if (!isNewelError(error)) throw error;
    }
  }

  /**
   * Whether a failed start is to be tried again, because only the guessed port was in the way: another program has it,
   * and this one may listen elsewhere.
   */
  async avoid(failures: readonly Failure[]): Promise<boolean> {
    const isTaken = failures.some(({ code }) => code === "NEWEL_E_ADDRESS_TAKEN");
    if (!isTaken || this.#ports === undefined || this.#ports.isFixed) return false;
    this.#ports.replaceGuess(await freePort());
    return true;
  }

  async #elsewhere(process: string, port: number): Promise<void> {
    const { output, restart } = this.#parts;
    const service = parseRunName(process)?.service ?? process;
    if (this.#ports === undefined || this.#ports.isFixed) {
      const hint = this.#ports === undefined ? `write listen: ${port}` : `use --port ${port}`;
      if (!this.#hinted.has(`${service} ${port}`))
        output.say(`${service} listens on port ${port}, whose socket is not held: ${hint}.`);
      this.#hinted.add(`${service} ${port}`);
      return;
    }
    if (this.#learned >= MOST_PORTS || !this.#ports.learn(port)) return;
    this.#learned += 1;
    await this.#isReady.promise;
    output.say(
      `${service} listens on port ${port}: starting it again with the socket held (--port ${port} saves this start).`,
    );
    await restart();
  }
}

/** A port that no program has now. */
async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  server.close();
  return typeof address === "object" && address !== null ? address.port : 0;
}
