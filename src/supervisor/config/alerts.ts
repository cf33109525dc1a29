import * as v from "valibot";

import { durationMs } from "../../base/units.ts";
import type { AlertConfig, AlertsConfig, AlertTarget } from "./alert-types.ts";
import { duration, isRecord, text, texts } from "./leaves.ts";
import type { Finding } from "./problems.ts";
import { settings } from "./settings.ts";

/** The occasions, in the order of the reference. */
const OCCASIONS = ["failed", "restarted", "backoff", "diskFull"] as const;
export type Occasion = (typeof OCCASIONS)[number];

/** An alert with its defaults. */
export interface ResolvedAlert {
  /** Words without a shell. */
  readonly run?: readonly string[];
  readonly url?: string;
  readonly everyMs: number;
}

export type ResolvedAlerts = Readonly<Partial<Record<Occasion, ResolvedAlert>>>;

const DEFAULT_EVERY = "5m";
const ALERT =
  'must be a command, a URL, or an object: "mail -s newel ops", "https://hooks.example.com/x", { run: ["./alert"], every: "10m" }.';
const may = v.exactOptional;

const command = v.lazy((input) =>
  Array.isArray(input) ? texts(ALERT, "must be a text.") : text(ALERT),
);

const target: v.GenericSchema<unknown, AlertTarget> = settings("alert", {
  run: may(command),
  url: may(
    v.custom<string>(
      (value) => typeof value === "string" && isUrl(value),
      'must be an http or https URL: "https://hooks.example.com/x".',
    ),
  ),
  every: may(duration(1_000)),
});

const alert: v.GenericSchema<unknown, AlertConfig> = v.lazy((input) =>
  isRecord(input) ? target : command,
);

/** `on`, as far as it has the right form. */
export const alertsSchema: v.GenericSchema<unknown, AlertsConfig> = settings("on", {
  failed: may(alert),
  restarted: may(alert),
  backoff: may(alert),
  diskFull: may(alert),
});

/** The alerts of a stored configuration. */
export const resolvedAlertsSchema: v.GenericSchema<unknown, ResolvedAlerts> = v.object(
  v.entriesFromList(
    OCCASIONS,
    v.exactOptional(
      v.object({
        run: v.exactOptional(v.array(v.string())),
        url: v.exactOptional(v.string()),
        everyMs: v.pipe(v.number(), v.integer(), v.minValue(0)),
      }),
    ),
  ),
);

export function alertFindings(alerts: AlertsConfig | undefined): readonly Finding[] {
  return OCCASIONS.flatMap((occasion): Finding[] => {
    const given = alerts?.[occasion];
    if (!isTarget(given) || given.run !== undefined || given.url !== undefined) return [];
    const says = 'has no target: write run: "COMMAND" or url: "https://…".';
    return [{ keys: ["on", occasion], says }];
  });
}

export function resolveAlerts(alerts: AlertsConfig | undefined): { readonly on?: ResolvedAlerts } {
  if (alerts === undefined) return {};
  const on = Object.fromEntries(
    OCCASIONS.flatMap((occasion) => {
      const given = alerts[occasion];
      return given === undefined ? [] : [[occasion, resolveAlert(given)]];
    }),
  );
  return { on };
}

function resolveAlert(given: AlertConfig): ResolvedAlert {
  if (!isTarget(given)) {
    const everyMs = durationMs(DEFAULT_EVERY);
    return typeof given === "string" && isUrl(given)
      ? { url: given, everyMs }
      : { run: wordsOf(given), everyMs };
  }
  const { run, url, every = DEFAULT_EVERY } = given;
  return {
    ...(run === undefined ? {} : { run: wordsOf(run) }),
    ...(url === undefined ? {} : { url }),
    everyMs: durationMs(every),
  };
}

function isTarget(given: AlertConfig | undefined): given is AlertTarget {
  return isRecord(given);
}

function wordsOf(run: string | readonly string[]): readonly string[] {
  return typeof run === "string" ? ["/bin/sh", "-c", run] : run;
}

function isUrl(value: string): boolean {
  return /^https?:\/\//.test(value) && URL.canParse(value);
}
