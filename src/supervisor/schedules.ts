import { messageOf } from "../base/errors.ts";
import type { ScheduledView } from "./api.ts";
import type { App } from "./app.ts";
import type { Commands } from "./commands.ts";
import { decideSchedule, type Missed, type ScheduleDecision } from "./machine/schedule.ts";
import type { Service } from "./service.ts";

/** The longest wait for a time: a machine that slept and a clock that was set are noticed after it, in milliseconds. */
const LOOK_MS = 30_000;

interface SchedulesParts {
  readonly commands: Commands;
  /** Reports an event of a service that is no change of its state. */
  readonly note: (app: App, service: Service, text: string) => void;
  readonly log: (text: string) => void;
}

/** The times of a service, from `schedule` or `restart.cron`. */
interface Timetable {
  readonly cron: string;
  readonly tz?: string;
  readonly missed: Missed;
  readonly command: { readonly kind: "start" | "reload" };
}

interface Entry {
  readonly app: App;
  readonly service: Service;
  readonly timetable: Timetable;
  readonly key: string;
  nextMs: number | undefined;
  /** Whether the command of a time is under way. */
  isActing: boolean;
}

type NextTime = (cron: string, tz: string | undefined, afterMs: number) => number;

/**
 * Starts services with `schedule`, and reloads those with `restart.cron`, at their times, while they are wanted. The
 * decisions are those of machine/schedule.ts; the last time that is settled is stored with the app.
 */
export class Schedules {
  readonly #parts: SchedulesParts;
  readonly #entries = new Map<Service, Entry>();
  #nextTime: NextTime | undefined;
  #isLoading = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: SchedulesParts) {
    this.#parts = parts;
  }

  /** Begins or ends the schedule of a service after a change of its settings or of its desired state. */
  check(app: App, service: Service): void {
    const isThere = app.services.get(service.name) === service && service.wanted.up;
    const timetable = isThere ? timetableOf(service) : undefined;
    const known = this.#entries.get(service);
    if (timetable === undefined && known === undefined) return;
    const key = JSON.stringify(timetable);
    if (known?.key === key) return;
    this.#entries.delete(service);
    // With another expression, and after a stop, earlier times do not count.
    if (known !== undefined || timetable === undefined) app.settled.delete(service.name);
    if (timetable === undefined) return;
    if (!app.settled.has(service.name)) app.settled.set(service.name, Date.now());
    const entry = { app, service, timetable, key, nextMs: undefined, isActing: false };
    this.#entries.set(service, entry);
    if (this.#nextTime !== undefined) return this.#look();
    if (this.#isLoading) return;
    this.#isLoading = true;
    import("./cron.ts").then(
      ({ nextTime }) => {
        this.#nextTime = nextTime;
        this.#look();
      },
      (error: unknown) => this.#parts.log(`No schedule runs: ${messageOf(error)}`),
    );
  }

  /** The schedule of a service, for its view. */
  view(service: Service): ScheduledView | undefined {
    const entry = this.#entries.get(service);
    if (entry?.nextMs === undefined) return undefined;
    const { timetable, nextMs } = entry;
    const { cron, tz, command } = timetable;
    const does = command.kind === "start" ? "run" : "reload";
    return { does, cron, ...(tz === undefined ? {} : { tz }), nextMs };
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#entries.clear();
  }

  /** Settles the times that are due, and waits for the next one. */
  #look(): void {
    clearTimeout(this.#timer);
    const nextTime = this.#nextTime;
    if (nextTime === undefined) return;
    for (const entry of this.#entries.values()) {
      try {
        this.#settle(entry, nextTime);
      } catch (error) {
        // An expression of another version, for example.
        this.#entries.delete(entry.service);
        this.#parts.log(`${nameOf(entry)} has no schedule: ${messageOf(error)}`);
      }
    }
    const times = [...this.#entries.values()].flatMap(({ nextMs }) => nextMs ?? []);
    if (times.length === 0) return;
    const waitMs = Math.min(LOOK_MS, Math.max(1, Math.min(...times) - Date.now()));
    this.#timer = setTimeout(() => this.#look(), waitMs).unref();
  }

  #settle(entry: Entry, nextTime: NextTime): void {
    const { app, service, timetable } = entry;
    const nowMs = Date.now();
    const before = app.settled.get(service.name) ?? nowMs;
    const decision = decideSchedule(before, {
      nowMs,
      isBusy: entry.isActing || (timetable.command.kind === "start" && isRunning(service)),
      missed: timetable.missed,
      nextAfter: (afterMs) => nextTime(timetable.cron, timetable.tz, afterMs),
    });
    entry.nextMs = decision.nextMs;
    if (decision.settledMs !== before) app.settled.set(service.name, decision.settledMs);
    if (decision.act !== "wait") void this.#act(entry, decision);
  }

  async #act(entry: Entry, { act, dueMs }: ScheduleDecision): Promise<void> {
    const { app, service, timetable } = entry;
    const { note, log, commands } = this.#parts;
    const what = `the ${timetable.command.kind === "start" ? "run" : "reload"} of ${new Date(dueMs).toISOString()}`;
    // The time is stored before the run starts, so that it does not run twice if this supervisor ends in
    // between.
    await app.save().catch((error: unknown) => log(`${nameOf(entry)}: ${messageOf(error)}`));
    if (act === "overlap")
      return note(app, service, `${what} is left out, because the one before is not over`);
    if (act === "missed")
      return note(app, service, `${what} is left out, because its time has passed`);
    note(app, service, `${what} begins`);
    entry.isActing = true;
    try {
      // A `stop` may have come since then.
      if (!service.wanted.up) return;
      await commands.each([{ app, service }], timetable.command, (event) => {
        if (event.type === "failed") note(app, service, `${what} failed: ${event.message}`);
      });
    } finally {
      entry.isActing = false;
    }
  }
}

function timetableOf({ spec }: Service): Timetable | undefined {
  const { schedule, restart } = spec;
  if (schedule !== undefined) return { ...schedule, command: { kind: "start" } };
  if (restart.cron === undefined) return undefined;
  // A process that has just started with its supervisor needs no reload for a time that has passed.
  return { ...restart.cron, missed: "skip", command: { kind: "reload" } };
}

function isRunning({ state }: Service): boolean {
  return state !== "stopped" && state !== "completed" && state !== "failed";
}

const nameOf = ({ app, service }: Entry): string => `${app.name}/${service.name}`;
