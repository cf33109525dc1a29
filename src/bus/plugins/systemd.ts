import type { DatagramSender } from "../../posix/notify.ts";
import type { Bus } from "../bus.ts";

/** Options of `notifySystemd`. */
export interface SystemdOptions {
  /**
   * Called before each watchdog ping: `false` or an error suppresses the ping, so that systemd ends
   * the service after WatchdogSec.
   */
  readonly alive?: () => boolean | Promise<boolean>;
  /** Default `process.env`. */
  readonly environment?: NodeJS.ProcessEnv;
}

/** The interval at which a slow start or stop extends its timeout, and the extension. */
const EXTEND_EVERY_MS = 5_000;
const EXTEND_BY_USEC = 15_000_000;

/**
 * Notifies systemd (`Type=notify` or `notify-reload`) of the state of the bus: READY, STATUS,
 * RELOADING, STOPPING, MAINPID, timeout extensions while a step is slow, and the watchdog's pings,
 * which come from the main event loop: a blocked loop sends none. Without NOTIFY_SOCKET nothing
 * happens.
 *
 * @returns whether systemd is present
 */
export function notifySystemd(bus: Bus, options: SystemdOptions = {}): boolean {
  const environment = options.environment ?? process.env;
  const path = environment["NOTIFY_SOCKET"];
  if (path === undefined || path === "" || process.platform !== "linux") return false;
  const notifier = new Notifier(bus, openSender(path));
  const name = "systemd";
  const watchdog = watchdogMs(environment);
  let ping: NodeJS.Timeout | undefined;
  bus.subscribe("starting", () => notifier.working("Starting"), { name });
  bus.subscribe(
    "started",
    () => {
      notifier.ready();
      if (watchdog === undefined) return;
      // Twice as often as requested, as sd_watchdog_enabled(3) advises.
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

/** Loads native code, which a program without systemd does not need. */
async function openSender(path: string): Promise<DatagramSender> {
  const { openDatagramSender } = await import("../../posix/notify.ts");
  return openDatagramSender(path);
}

class Notifier {
  readonly #bus: Bus;
  readonly #sender: Promise<DatagramSender>;
  #sending: Promise<void> = Promise.resolve();
  #extend: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(bus: Bus, sender: Promise<DatagramSender>) {
    this.#bus = bus;
    this.#sender = sender;
    // A sender that cannot be opened is reported with each message.
    sender.catch(() => undefined);
  }

  /** Extends the timeout as long as the state lasts. */
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
    void this.#sending.then(() => this.#closeSender());
  }

  async #closeSender(): Promise<void> {
    try {
      const sender = await this.#sender;
      sender.close();
    } catch {
      // The sender was never opened.
    }
  }

  /** In order, even if a message has to wait. */
  #send(message: string): void {
    if (this.#closed) return;
    this.#sending = this.#sending.then(() => this.#deliver(message));
  }

  async #deliver(message: string): Promise<void> {
    try {
      const sender = await this.#sender;
      if (await sender.deliver(message)) return;
      this.#bus.log(`systemd took no message: ${message.split("\n")[0]}`, "warn");
    } catch (error) {
      this.#bus.log("systemd could not be told.", "warn", error);
    }
  }
}

/** The watchdog's limit, if it is meant for this process. */
function watchdogMs(environment: NodeJS.ProcessEnv): number | undefined {
  const usec = Number(environment["WATCHDOG_USEC"]);
  const pid = environment["WATCHDOG_PID"];
  const ours = pid === undefined || pid === String(process.pid);
  return ours && usec > 0 ? usec / 1_000 : undefined;
}
