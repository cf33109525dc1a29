import { statfsSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";

import { messageOf, systemCode } from "../../base/errors.ts";
import type { Home } from "../../base/home.ts";
import { formatSize } from "../../base/units.ts";
import type { App } from "../app.ts";
import { processEnvironment } from "../config/environment.ts";
import type { Occasion, ResolvedAlert } from "../config/alerts.ts";
import type { EventLog } from "../event-log.ts";
import type { Service } from "../service.ts";
import type { Alert } from "./alert.ts";
import { type Due, type Occurrence, Rate } from "./rate.ts";

/** More deliveries at once are not begun: they are reported as failures. */
const MOST_UNDER_WAY = 16;
const DISK_MS = 30_000;
/** Less room than this is an occasion of `diskFull`; above twice as much it has ended. */
const LEAST_ROOM_BYTES = 64_000_000;

const TEXTS: Readonly<Record<Occasion, string>> = {
  failed: "failed",
  restarted: "was restarted",
  backoff: "keeps ending and waits before its next start",
  diskFull: "runs out of disk space",
};

interface AlertsParts {
  /** Its file system has the output of services. */
  readonly home: Home;
  readonly apps: () => Iterable<App>;
  readonly log: (text: string) => void;
  /** Gets an event for each alert that was not delivered. */
  readonly events: Pick<EventLog, "note">;
}

interface Seen {
  readonly state: string;
  readonly restarts: number;
}

/**
 * Sends the alerts that configurations ask for, next to the work of the supervisor: no service waits for an alert. The
 * history begins with the supervisor, so that another one repeats no alert for a state that it found.
 */
export class Alerts {
  readonly #parts: AlertsParts;
  readonly #seen = new WeakMap<Service, Seen>();
  readonly #rates = new Map<string, Rate>();
  readonly #abort = new AbortController();
  readonly #timers = new Set<NodeJS.Timeout>();
  #disk: NodeJS.Timeout | undefined;
  #isDiskFull = false;
  #underWay = 0;
  #isOpen = false;

  constructor(parts: AlertsParts) {
    this.#parts = parts;
  }

  /** Begins to send: the states until now are those that this supervisor found. */
  open(): void {
    this.#isOpen = true;
    for (const app of this.#parts.apps())
      for (const service of app.services.values()) this.check(app, service);
  }

  close(): void {
    this.#abort.abort();
    clearInterval(this.#disk);
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Reads the state of a service after a change. */
  check(app: App, service: Service): void {
    const { on } = app.config;
    this.#watchDisk();
    const before = this.#seen.get(service) ?? { state: "stopped", restarts: service.restarts };
    const { state, restarts } = service;
    this.#seen.set(service, { state, restarts });
    if (on === undefined || !this.#isOpen) return;
    if (restarts > before.restarts) this.#occur("restarted", app, service);
    if (state === before.state) return;
    if (state === "failed" || state === "backoff") this.#occur(state, app, service);
  }

  #occur(occasion: Occasion, app: App, service: Service | undefined, why?: string): void {
    const alert = app.config.on?.[occasion];
    if (alert === undefined) return;
    const reason = why ?? service?.why ?? service?.lastExits.at(-1)?.why;
    const occurrence: Occurrence = {
      timeMs: Date.now(),
      ...(reason === undefined ? {} : { why: reason }),
    };
    const key = `${occasion} ${app.name}/${service?.name ?? ""}`;
    const rate = this.#rates.get(key) ?? new Rate();
    this.#rates.set(key, rate);
    const result = rate.add(occurrence, alert.everyMs, performance.now());
    if (result === undefined) return;
    if ("latest" in result) this.#send(occasion, app, service, result);
    else this.#later(result.waitMs, () => this.#release(key, occasion, app, service));
  }

  /** The alert that was held at the end of its interval. */
  #release(key: string, occasion: Occasion, app: App, service: Service | undefined): void {
    const due = this.#rates.get(key)?.release(performance.now());
    if (due !== undefined) this.#send(occasion, app, service, due);
  }

  #later(waitMs: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, waitMs).unref();
    this.#timers.add(timer);
  }

  #send(occasion: Occasion, app: App, service: Service | undefined, due: Due): void {
    const target = app.config.on?.[occasion];
    if (target === undefined || this.#abort.signal.aborted) return;
    const name = service === undefined ? app.name : `${app.name}/${service.name}`;
    const failed = (why: string): void => {
      const text = `The alert ${occasion} of ${name} was not delivered: ${why}`;
      this.#parts.log(text);
      // An event is about a service: for an alert of the whole app it is the first one.
      const [first] = app.services.values();
      const about = service ?? first;
      if (about !== undefined) this.#parts.events.note(app, about, text);
    };
    if (this.#underWay >= MOST_UNDER_WAY) {
      failed(`${MOST_UNDER_WAY} others are under way`);
      return;
    }
    this.#underWay += 1;
    this.#deliver(occasion, target, { app, service, name, due })
      .then((failures) => failures.forEach(failed))
      .catch((error: unknown) => failed(messageOf(error)))
      .finally(() => (this.#underWay -= 1));
  }

  /** @returns how each target failed */
  async #deliver(
    occasion: Occasion,
    { run, url }: ResolvedAlert,
    about: {
      readonly app: App;
      readonly service: Service | undefined;
      readonly name: string;
      readonly due: Due;
    },
  ): Promise<string[]> {
    const { app, service, name, due } = about;
    const { latest, suppressed } = due;
    const lines = service === undefined ? [] : await service.lastLines();
    const reason = latest.why === undefined ? "" : `: ${latest.why}`;
    const alert: Alert = {
      v: 1,
      alert: occasion,
      app: app.name,
      ...(service === undefined ? {} : { service: service.name }),
      text: `${name} ${TEXTS[occasion]}${reason}`,
      ...latest,
      host: hostname(),
      suppressed,
      lines,
    };
    const { post, runAlertCommand } = await import("./deliver.ts");
    const { signal } = this.#abort;
    const results = await Promise.all([
      ...(run === undefined ? [] : [runAlertCommand(run, alert, placeOf(app), signal)]),
      ...(url === undefined ? [] : [post(url, alert, signal)]),
    ]);
    return signal.aborted ? [] : results.filter((result) => result !== undefined);
  }

  /** The disk is read only while a configuration has an alert for it. */
  #watchDisk(): void {
    const isAsked = [...this.#parts.apps()].some(({ config }) => config.on?.diskFull !== undefined);
    if (isAsked === (this.#disk !== undefined)) return;
    clearInterval(this.#disk);
    this.#disk = isAsked ? setInterval(() => this.#readDisk(), DISK_MS).unref() : undefined;
    if (isAsked) this.#readDisk();
  }

  #readDisk(): void {
    const free = freeBytes(this.#parts.home.directory);
    if (free === undefined || free > 2 * LEAST_ROOM_BYTES) this.#isDiskFull = false;
    if (free === undefined || free >= LEAST_ROOM_BYTES || this.#isDiskFull) return;
    this.#isDiskFull = true;
    const why = `${formatSize(free)} are left on the file system of ${this.#parts.home.directory}`;
    for (const app of this.#parts.apps()) this.#occur("diskFull", app, undefined, why);
  }
}

/** The directory of the configuration, and the variables of a shell, without those of the app. */
function placeOf({ config }: App): { cwd: string; env: Readonly<Record<string, string>> } {
  const [service] = config.services;
  if (service === undefined) return { cwd: dirname(config.file), env: {} };
  const { base, binDirectories } = service;
  const env = processEnvironment({ base, binDirectories, env: {}, replicaVariables: [] });
  return { cwd: dirname(config.file), env };
}

function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}
