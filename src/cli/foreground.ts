import { isNewelError, messageOf } from "../base/errors.ts";
import { findHome, type Home } from "../base/home.ts";
import { sleep } from "../base/timers.ts";
import { Bus } from "../bus/bus.ts";
import { signals } from "../bus/plugins/signals.ts";
import { connectKernel } from "../kernel/client/client.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import { connectSupervisor, type SupervisorConnection } from "../supervisor/client.ts";
import type { ResolvedConfig } from "../supervisor/config/resolved.ts";
import { appValueName } from "../supervisor/process-names.ts";
import type { Context } from "./command.ts";
import { printSummary } from "./commands/up.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { LinePrinter } from "./logs/printer.ts";
import { showLogs } from "./logs/show.ts";
import { printError } from "./output/errors.ts";
import { followProgress } from "./output/progress.ts";
import { endIdleDaemons, endIdleKernel, findSupervisor, reachSupervisor } from "./reach.ts";

/** The longest a timer can wait: the services' own graces limit how long a shutdown takes. */
const NO_DEADLINE_MS = 2 ** 31 - 1;
const RETRY_MS = 1_000;

/** How often the app is asked to end while daemons come and go. */
const TAKE_DOWN_TRIES = 10;

/** How long the signal that ended the supervisor may take to arrive here too, in milliseconds. */
const SETTLE_MS = 200;

/** How long the last output may take to arrive once every process has ended. */
const LAST_OUTPUT_MS = 2_000;

/** The daemons of a foreground command, for its driver. */
export interface ForegroundSession {
  readonly kernel: KernelClient;
  /** Of the supervisor of now: one that died was replaced. */
  supervisor(): SupervisorConnection["remote"];
  /** Aborted when the end of the command has begun. */
  readonly ending: AbortSignal;
}

/** The work of a foreground command other than `newel run`. */
export interface ForegroundDriver {
  /** Brings the app up; resolves to whether the command continues. */
  begin(session: ForegroundSession): Promise<boolean>;
  /** Works until `ending`. */
  work(session: ForegroundSession): Promise<void>;
}

interface ForegroundOptions {
  /** Whether the time is printed before each line. */
  readonly time: boolean;
  /** The command line, for messages. Default `newel run`. */
  readonly name?: string;
  /** Default: `up` once, and exit code 1 if that fails. */
  readonly driver?: ForegroundDriver;
}

/**
 * An app in the foreground: brings it up, prints its output, brings its supervisor back, and takes
 * it down when a signal asks for the end.
 */
export class Foreground {
  readonly #config: ResolvedConfig;
  readonly #context: Context;
  readonly #home: Home;
  readonly #printer: LinePrinter;
  readonly #bus: Bus;
  readonly #driver: ForegroundDriver | undefined;
  /** Aborted when the end has begun; then when every process has ended; then at last. */
  readonly #ending = new AbortController();
  readonly #stopped = new AbortController();
  readonly #over = new AbortController();
  #supervisor: SupervisorConnection | undefined;
  #following: Promise<void> = Promise.resolve();
  /** Whether the end of this program is the end of the app. */
  #takesDown = false;

  constructor(config: ResolvedConfig, context: Context, options: ForegroundOptions) {
    const { name = "newel run", time, driver } = options;
    this.#bus = new Bus({ name, timeoutsMs: { stop: Infinity, exit: Infinity } });
    this.#driver = driver;
    this.#config = config;
    this.#context = context;
    this.#home = findHome(context.environment);
    this.#printer = new LinePrinter(context.output, { raw: false, time });
  }

  async run(): Promise<ExitCode> {
    const bus = this.#bus;
    bus.subscribe("log", ({ level, message }) => {
      if (level === "warn" || level === "error") this.#say(message);
    });
    signals(bus, { deadlineMs: NO_DEADLINE_MS });
    // `newel run | tee log`: Ctrl-C ends tee too, and the app has to be taken down all the same.
    this.#context.output.onBroken = (failed) => void bus.exit(failed ? EXIT.failed : EXIT.done);
    bus.subscribe("stop", () => this.#end(), { name: `newel down --app ${this.#config.name}` });
    await bus.start();
    this.#work().catch((error: unknown) => {
      // A call that fails because its daemon is ending is no failure of an app that is ending too.
      if (bus.exiting) return;
      printError(this.#context.output, error, this.#context.environment);
      void bus.exit(EXIT.failed);
    });
    return (await bus.block()) === EXIT.done ? EXIT.done : EXIT.failed;
  }

  async #work(): Promise<void> {
    const { name } = this.#config;
    this.#supervisor = await (this.#driver === undefined
      ? reachSupervisor(this.#context)
      : connectSupervisor({ home: this.#home }));
    const { remote } = this.#supervisor;
    const wasUp = (await remote.hello()).apps.includes(name);
    const kernel = await connectKernel({ home: this.#home });
    this.#over.signal.addEventListener("abort", () => void kernel.close(), { once: true });
    await this.#followLogs(kernel);
    if (this.#bus.exiting) return;
    this.#takesDown = true;
    const session: ForegroundSession = {
      kernel,
      supervisor: () => this.#supervisor?.remote ?? remote,
      ending: this.#ending.signal,
    };
    const goesOn = await (this.#driver?.begin(session) ?? this.#bringUp(remote, wasUp));
    if (this.#bus.exiting) return;
    if (!goesOn) return void this.#bus.exit(EXIT.failed);
    await this.#reportUp();
    const work = this.#driver?.work(session);
    await Promise.all([this.#keepSupervisor(kernel), this.#waitTakenDown(kernel), work]);
  }

  /** Resolves to whether the app is up. */
  async #bringUp(remote: SupervisorConnection["remote"], wasUp: boolean): Promise<boolean> {
    const { name } = this.#config;
    const { exitCode } = await followProgress(
      remote.up(this.#config, { wait: true }),
      this.#context.output,
      { isSilent: () => this.#bus.exiting },
    );
    if (this.#bus.exiting) return false;
    if (exitCode !== EXIT.done) {
      // A running app is not taken down because its new settings or its new code fail.
      this.#takesDown = !wasUp;
      if (wasUp) this.#say(`${name} was up before and is left as it is.`);
      return false;
    }
    await printSummary(name, this.#context, remote);
    this.#say("Ctrl-C stops it.");
    return true;
  }

  /** Prints the app's output from now on. */
  async #followLogs(kernel: KernelClient): Promise<void> {
    const begun = Promise.withResolvers<void>();
    this.#following = showLogs(kernel, {
      wants: ({ run }) => run?.app === this.#config.name,
      streams: ["out", "err"],
      lines: 0,
      follow: true,
      finish: this.#stopped.signal,
      signal: this.#over.signal,
      found: () => begun.resolve(),
      print: (line) => this.#printer.print(line),
    }).catch((error: unknown) => {
      // A failure of the log output must not end the app.
      this.#say(`Its output cannot be shown any more: ${messageOf(error)}`);
    });
    await Promise.race([begun.promise, this.#following]);
  }

  /** Starts a supervisor that dies again at once; services keep running. */
  async #keepSupervisor(kernel: KernelClient): Promise<void> {
    for (;;) {
      await this.#supervisor?.closed;
      await sleep(SETTLE_MS, this.#ending.signal);
      if (this.#bus.exiting) return;
      if ((await kernel.values.get(appValueName(this.#config.name))) === undefined) return;
      this.#say("The supervisor is gone; services run on. Starting it again.");
      await this.#bringBack();
    }
  }

  async #bringBack(): Promise<void> {
    while (!this.#bus.exiting) {
      try {
        this.#supervisor = await connectSupervisor({ home: this.#home });
        const { pid } = await this.#supervisor.remote.hello();
        this.#say(`The supervisor is back (pid ${pid}) and has its services again.`);
        return;
      } catch (error) {
        this.#say(`The supervisor did not start: ${messageOf(error)} Trying again.`);
        await sleep(RETRY_MS, this.#ending.signal);
      }
    }
  }

  /** Ends when another `newel down` has taken the app down. */
  async #waitTakenDown(kernel: KernelClient): Promise<void> {
    const value = appValueName(this.#config.name);
    for await (const event of kernel.events({ signal: this.#ending.signal })) {
      if (event.noun !== "value" || event.type !== "removed" || event.name !== value) continue;
      this.#say(`${this.#config.name} was taken down.`);
      this.#takesDown = false;
      void this.#bus.exit();
      return;
    }
  }

  /** The one end, for every reason. */
  async #end(): Promise<void> {
    this.#ending.abort();
    if (this.#takesDown) await this.#takeDown();
    this.#stopped.abort();
    await Promise.race([this.#following, sleep(this.#takesDown ? LAST_OUTPUT_MS : 0)]);
    // Before the daemons end: a client that is open would start the next kernel.
    this.#over.abort();
    if (this.#takesDown) await this.#endDaemons();
    await this.#supervisor?.close();
  }

  /**
   * A signal to every process of a container or a control group ends supervisor and kernel at the same time as this
   * program, in any order: an attempt that reaches a daemon that is ending is made again with the next daemon.
   */
  async #takeDown(): Promise<void> {
    this.#say(`Taking ${this.#config.name} down.`);
    for (let tries = 1; ; tries += 1) {
      const outcome = await this.#tryTakeDown(tries === TAKE_DOWN_TRIES);
      if (outcome === EXIT.done) return;
      if (tries === TAKE_DOWN_TRIES) return void this.#bus.exit(EXIT.failed);
      await sleep(RETRY_MS);
    }
  }

  /** @param isLast - report what fails: there is no further try */
  async #tryTakeDown(isLast: boolean): Promise<ExitCode> {
    let connection: SupervisorConnection | undefined;
    try {
      // The connection at hand may be one to a supervisor that has just died.
      connection = await connectSupervisor({ home: this.#home });
      const progress = connection.remote.down(this.#config.name);
      const { exitCode } = await followProgress(progress, this.#context.output, {
        isSilent: (event) => event.type === "failed" && !isLast,
      });
      return exitCode;
    } catch (error) {
      if (!isNewelError(error)) throw error;
      if (isLast) printError(this.#context.output, error, this.#context.environment);
      return EXIT.failed;
    } finally {
      await connection?.close();
    }
  }

  /** Daemons that are ending already, or that serve other apps, are left alone. */
  async #endDaemons(): Promise<void> {
    try {
      const connection = await findSupervisor(this.#context);
      if (connection === undefined) return await endIdleKernel(this.#context);
      await endIdleDaemons(this.#context, connection);
      await connection.close();
    } catch (error) {
      if (!isNewelError(error)) throw error;
      this.#bus.log(`The daemons were not ended: ${error.message}`, "debug");
    }
  }

  #say(text: string): void {
    this.#context.output.say(text);
  }

  async #reportUp(): Promise<void> {
    const { onUp } = this.#context;
    if (onUp === undefined || this.#supervisor === undefined) return;
    const { remote } = this.#supervisor;
    const { pid } = await remote.hello();
    onUp({
      supervisorPid: pid,
      services: await remote.list({ app: this.#config.name, names: [] }),
    });
  }
}
