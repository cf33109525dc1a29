import * as v from "valibot";

import type { AliveTiming, ReadyTiming } from "./check-types.ts";
import { duration, flag, integer, oneOf, signal, size, text, texts } from "./leaves.ts";
import type {
  HooksConfig,
  LogsConfig,
  ReloadConfig,
  RestartConfig,
  RestartPolicy,
  ScheduleConfig,
  StopConfig,
  WatchConfig,
} from "./policy-types.ts";
import { settings } from "./settings.ts";

// The schemas of settings that newel itself acts by: checks, stops, restarts, output, watched files.

export interface CheckedReady extends ReadyTiming {
  readonly http?: string;
  readonly tcp?: string;
  readonly log?: string;
  readonly notify?: boolean;
  readonly pattern?: string;
  readonly command?: string | readonly string[];
}

export interface CheckedAlive extends AliveTiming {
  readonly http?: string;
  readonly tcp?: string;
  readonly command?: string | readonly string[];
}

const may = v.exactOptional;

/** `hooks`, as far as it has the right form. */
export interface CheckedHooks extends Pick<HooksConfig, "timeout"> {
  readonly beforeStart?: string | readonly string[];
  readonly afterReady?: string | readonly string[];
  readonly beforeStop?: string | readonly string[];
}

const COMMAND = 'must be a command: "pg_isready", or without a shell ["pg_isready", "-q"].';
const command = v.lazy((input) =>
  Array.isArray(input)
    ? v.pipe(texts(COMMAND, "must be a text."), v.minLength(1, COMMAND))
    : text(COMMAND),
);

export const hooks: v.GenericSchema<unknown, CheckedHooks> = settings("hooks", {
  beforeStart: may(command),
  afterReady: may(command),
  beforeStop: may(command),
  timeout: may(duration(10)),
});

const CRON = 'must be a cron expression: "0 3 * * *".';
const TIME_ZONE = 'must be a time zone: "Europe/Berlin".';

const schedule: v.GenericSchema<unknown, Partial<ScheduleConfig>> = settings("schedule", {
  cron: may(text(CRON)),
  tz: may(text(TIME_ZONE)),
  missed: may(oneOf(["run", "skip"])),
});

export const scheduleSetting: v.GenericSchema<unknown, string | Partial<ScheduleConfig>> = v.lazy(
  (input) => (typeof input === "object" && input !== null ? schedule : text(CRON)),
);

const policy = oneOf(["always", "on-failure", "never"]);

const restart: v.GenericSchema<unknown, RestartConfig> = settings("restart", {
  policy: may(policy),
  max: may(integer(1, 1_000_000)),
  within: may(duration(1)),
  backoff: may(settings("backoff", { min: may(duration(1)), max: may(duration(1)) })),
  whenFailed: may(oneOf(["refuse", "wait"])),
  cron: may(text(CRON)),
  tz: may(text(TIME_ZONE)),
});

const PROBE_HTTP = 'must be a path or a URL: "/healthz" or "http://127.0.0.1:8000/healthz".';
const PROBE_TCP = 'must be an address: "127.0.0.1:6380".';

export const alive: v.GenericSchema<unknown, CheckedAlive> = settings("alive", {
  http: may(text(PROBE_HTTP)),
  tcp: may(text(PROBE_TCP)),
  command: may(command),
  interval: may(duration(100)),
  timeout: may(duration(10)),
  threshold: may(integer(1, 1_000)),
});

export const ready: v.GenericSchema<unknown, CheckedReady> = settings("ready", {
  http: may(text(PROBE_HTTP)),
  tcp: may(text(PROBE_TCP)),
  pattern: may(text("must be the regular expression to wait for in a line of output.")),
  command: may(command),
  log: may(text("must be the text to wait for in a line of output.")),
  notify: may(flag),
  after: may(duration(0)),
  timeout: may(duration(1)),
  stable: may(duration(0)),
});

export const restartSetting: v.GenericSchema<unknown, RestartPolicy | RestartConfig> = v.lazy(
  (input) =>
    typeof input === "object" && input !== null && !Array.isArray(input) ? restart : policy,
);

export const stop: v.GenericSchema<unknown, StopConfig> = settings("stop", {
  signal: may(signal),
  grace: may(duration(0)),
  scope: may(oneOf(["auto", "main", "group", "tree"])),
  linger: may(duration(0)),
});

export const reload: v.GenericSchema<unknown, ReloadConfig> = settings("reload", {
  order: may(oneOf(["start-first", "stop-first"])),
});

const LONGEST_AGE_DAYS = 36_500;

export const logs: v.GenericSchema<unknown, LogsConfig> = settings("logs", {
  bufsize: may(size),
  maxAge: may(duration(1_000, LONGEST_AGE_DAYS)),
  stderr: may(oneOf(["separate", "stdout"])),
});

const WATCH_PATHS = 'must be a list of paths: ["src", "config.json"].';
const WATCH_IGNORE = 'must be a list of names or patterns: ["*.css", "src/generated"].';

const watch: v.GenericSchema<unknown, WatchConfig> = settings("watch", {
  paths: may(v.pipe(texts(WATCH_PATHS, "must be a path."), v.minLength(1, WATCH_PATHS))),
  ignore: may(texts(WATCH_IGNORE, "must be a name or a pattern.")),
  debounce: may(duration(10)),
});

const WATCH = 'must be true, false, or an object: { paths: ["src"] }.';

export const watchSetting: v.GenericSchema<unknown, boolean | WatchConfig> = v.lazy((input) =>
  typeof input === "object" && input !== null && !Array.isArray(input) ? watch : v.boolean(WATCH),
);
