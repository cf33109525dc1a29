import { type DatagramSender, openDatagramSender } from "../../posix/notify.ts";
import type { Bus } from "../bus.ts";

export interface SystemdOptions {
  /**
   * Asked before each ping of the watchdog: `false` or an error holds the ping back, so that systemd
   * ends the service after WatchdogSec.
   */
  readonly alive?: () => boolean | Promise<boolean>;
  /** Default `process.env`. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** How often a start or stop that takes long asks for more time, and for how much. */
const EXTEND_EVERY_MS = 5_000;
const EXTEND_BY_USEC = 15_000_000;

/**
 * Tells systemd (`Type=notify` or `notify-reload`) how the bus is: READY, STATUS, RELOADING,
 * STOPPING, MAINPID, more time while a step runs long, and the watchdog's pings, which come from the
 * main event loop: a blocked loop sends none. Without NOTIFY_SOCKET nothing happens.
 *
 * @returns whether there is a systemd to tell
 */
export function notifySystemd(bus: Bus, options: SystemdOptions = {}): boolean {
  const environment = options.environment ?? process.env;
  const path = environment["NOTIFY_SOCKET"];
  if (path === undefined || path === "" || process.platform !== "linux") return false;
  const notifier = new Notifier(bus, openDatagramSender(path));
  const name = "systemd";
  const watchdog = watchdogMs(environment);
  let ping: NodeJS.Timeout | undefined;
  bus.subscribe("starting", () => notifier.working("Starting"), { name });
  bus.subscribe(
    "started",
    () => {
      notifier.ready();
      if (watchdog === undefined) return;
      // Twice as often as asked, as sd_watchdog_enabled(3) advises.
      ping = setInterval(() => void notifier.ping(options.alive), watchdog / 2);
      ping.unref();
    },
    { name },
  );
  bus.subscribe("graceful", () => notifier.reloading(), { name, priority: 0 });
  bus.subscribe("graceful", () => notifier.ready(), { name, priority: 100 });
  bus.subscribe("stopping", () => (bus.restarting ? notifier.reloading() : notifier.stopping()), {
    name,
  });
  bus.subscribe(
    "exited",
    () => {
      clearInterval(ping);
      notifier.close();
    },
    { name },
  );
  return true;
}

class Notifier {
  readonly #bus: Bus;
  readonly #sender: DatagramSender;
  #sending: Promise<void> = Promise.resolve();
  #extend: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(bus: Bus, sender: DatagramSender) {
    this.#bus = bus;
    this.#sender = sender;
  }

  /** Asks for more time as long as the state lasts. */
  working(status: string): void {
    this.#send(`STATUS=${status}`);
    clearInterval(this.#extend);
    this.#extend = setInterval(() => {
      this.#send(`EXTEND_TIMEOUT_USEC=${EXTEND_BY_USEC}\nSTATUS=${status}: ${this.#bus.running}`);
    }, EXTEND_EVERY_MS);
    this.#extend.unref();
  }

  ready(): void {
    clearInterval(this.#extend);
    this.#send(`READY=1\nMAINPID=${process.pid}\nSTATUS=Running`);
  }

  reloading(): void {
    const monotonicUsec = process.hrtime.bigint() / 1_000n;
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${monotonicUsec}\nSTATUS=Reloading`);
  }

  stopping(): void {
    this.#send("STOPPING=1");
    this.working("Stopping");
  }

  async ping(alive: SystemdOptions["alive"]): Promise<void> {
    try {
      if (alive === undefined || (await alive())) this.#send("WATCHDOG=1");
      else this.#bus.log("Not alive by its own word: the watchdog gets no ping.", "warn");
    } catch (error) {
      this.#bus.log("Whether it is alive is unknown: the watchdog gets no ping.", "warn", error);
    }
  }

  close(): void {
    clearInterval(this.#extend);
    this.#closed = true;
    void this.#sending.finally(() => this.#sender.close());
  }

  /** In order, also when one of them has to wait. */
  #send(message: string): void {
    if (this.#closed) return;
    this.#sending = this.#sending.then(() => this.#deliver(message));
  }

  async #deliver(message: string): Promise<void> {
    try {
      if (await this.#sender.deliver(message)) return;
      this.#bus.log(`systemd took no message: ${message.split("\n")[0]}`, "warn");
    } catch (error) {
      this.#bus.log("systemd could not be told.", "warn", error);
    }
  }
}

/** The watchdog's limit, when it is meant for this process. */
function watchdogMs(environment: NodeJS.ProcessEnv): number | undefined {
  const usec = Number(environment["WATCHDOG_USEC"]);
  const pid = environment["WATCHDOG_PID"];
  const ours = pid === undefined || pid === String(process.pid);
  return ours && usec > 0 ? usec / 1_000 : undefined;
}
