import { cronProblem } from "../../base/cron.ts";
import { type At, duration, type Setting } from "./draft.ts";
import { boolean, integer, list, scalar } from "./parsed.ts";
import type { Pm2App } from "./pm2-app.ts";

// The settings of pm2 about the times at which a program starts, and about its memory.

const LONGEST_BACKOFF_MS = 15_000;

/** A program that pm2 starts at the times of `cron_restart` alone, after its first start. */
export function cronRestartOf(each: Pm2App): Setting {
  const cron = cronOf(each);
  if (cron === undefined || boolean(each.app["autorestart"]) !== false) return undefined;
  each.notes.remark(
    placeOf(each, "cron_restart"),
    "is a schedule: the program runs at its times, and not at `newel up` as at the start of pm2.",
  );
  return cron;
}

/** The limit of memory, which pm2 counts in powers of 1024. */
export function maxMemoryOf(each: Pm2App): Setting {
  const given = each.app["max_memory_restart"];
  const [, digits, unit = ""] = /^(\d+)\s*([KMG]?)B?$/i.exec(scalar(given) ?? "") ?? [];
  if (digits !== undefined)
    return unit === ""
      ? `${Math.max(1, Math.ceil(Number(digits) / 1_024))}KiB`
      : `${digits}${unit.toUpperCase()}iB`;
  if (given !== undefined && given !== null && given !== false)
    each.notes.dropped(placeOf(each, "max_memory_restart"), "it is no size that newel knows");
  return undefined;
}

/** When the program is started again. */
export function restartOf(each: Pm2App): Setting {
  const { app, keys, service, parsed, notes } = each;
  const codes = list(app["stop_exit_codes"]).map(Number);
  if (codes.some((code) => code !== 0))
    notes.dropped(
      { line: parsed.lineOf([...keys, "stop_exit_codes"]), service, key: "stop_exit_codes" },
      'restart: "on-failure" knows exit code 0 alone',
    );
  const policy =
    boolean(app["autorestart"]) === false ? "never" : codes.includes(0) ? "on-failure" : undefined;
  const cron = cronOf(each);
  // A service with a schedule starts no more by itself.
  if (policy === "never") return cron === undefined ? policy : undefined;
  const max = integer(app["max_restarts"]);
  const uptimeMs = milliseconds(app["min_uptime"]);
  const fixed = integer(app["restart_delay"]);
  const growing = integer(app["exp_backoff_restart_delay"]);
  const backoff =
    growing !== undefined && growing > 0
      ? { min: duration(growing), max: duration(Math.max(growing, LONGEST_BACKOFF_MS)) }
      : fixed !== undefined && fixed > 0
        ? { min: duration(fixed), max: duration(fixed) }
        : undefined;
  const counted =
    max === undefined || max < 1
      ? {}
      : {
          max,
          ...(uptimeMs === undefined ? {} : { within: duration(Math.max(60_000, max * uptimeMs)) }),
        };
  const settings = {
    ...(policy === undefined ? {} : { policy }),
    ...counted,
    ...(backoff && { backoff }),
    ...(cron === undefined ? {} : { cron }),
  };
  return Object.keys(settings).length === (policy === undefined ? 0 : 1) ? policy : settings;
}

/** pm2's durations: milliseconds, or a number with `h`, `m` or `s`. */
function milliseconds(value: unknown): number | undefined {
  const text = scalar(value) ?? "";
  const [, digits, unit = "ms"] = /^(\d+)(ms|s|m|h)?$/.exec(text) ?? [];
  const factors: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  return digits === undefined ? undefined : Number(digits) * (factors[unit] ?? 1);
}

/** The cron expression of `cron_restart`; `0` turns it off in pm2. */
function cronOf(each: Pm2App): string | undefined {
  const cron = scalar(each.app["cron_restart"] ?? each.app["cron"])?.trim();
  if (cron === undefined || cron === "" || cron === "0") return undefined;
  const problem = cronProblem(cron);
  if (problem === undefined) return cron;
  const key = each.app["cron_restart"] === undefined ? "cron" : "cron_restart";
  each.notes.dropped(placeOf(each, key), `it is no cron expression: ${problem}`);
  return undefined;
}

function placeOf({ keys, service, parsed }: Pm2App, key: string): At {
  return { line: parsed.lineOf([...keys, key]), service, key };
}
