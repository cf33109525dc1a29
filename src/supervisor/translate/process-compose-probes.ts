import { cronProblem } from "../../base/cron.ts";
import { isRecord } from "../config/leaves.ts";
import { duration, type Setting, type Settings } from "./draft.ts";
import { probeOf } from "./health.ts";
import { boolean, integer, scalar } from "./parsed.ts";

// The probes and the schedule of a process of process-compose.

/** Readiness by a probe, or by a line of output. */
export function readinessOf(
  value: Readonly<Record<string, unknown>>,
  drop: (reason: string) => void,
): Settings | undefined {
  const line = scalar(value["ready_log_line"]);
  if (line !== undefined) return { log: line };
  const probe = value["readiness_probe"];
  if (!isRecord(probe)) return undefined;
  const delay = integer(probe["initial_delay_seconds"]) ?? 0;
  const tries = integer(probe["failure_threshold"]) ?? 3;
  const period = integer(probe["period_seconds"]) ?? 10;
  const timeout = { timeout: duration(Math.max(30, delay + tries * period) * 1000) };
  const asked = askedBy(probe, drop);
  return asked === undefined ? undefined : { ...asked, ...timeout };
}

/** Liveness by a probe. */
export function livenessOf(
  value: Readonly<Record<string, unknown>>,
  drop: (reason: string) => void,
): Settings | undefined {
  const probe = value["liveness_probe"];
  if (!isRecord(probe)) return undefined;
  const asked = askedBy(probe, drop);
  const [period, timeout] = [integer(probe["period_seconds"]), integer(probe["timeout_seconds"])];
  const threshold = integer(probe["failure_threshold"]);
  if (asked === undefined) return undefined;
  return {
    ...asked,
    ...(period === undefined || period < 1 ? {} : { interval: duration(period * 1000) }),
    ...(timeout === undefined || timeout < 1 ? {} : { timeout: duration(timeout * 1000) }),
    ...(threshold === undefined || threshold < 1 ? {} : { threshold }),
  };
}

function askedBy(
  probe: Readonly<Record<string, unknown>>,
  drop: (reason: string) => void,
): Settings | undefined {
  const get = probe["http_get"];
  if (isRecord(get)) {
    if (scalar(get["scheme"]) === "https") {
      drop("newel asks by http alone");
      return undefined;
    }
    const host = scalar(get["host"]) ?? "127.0.0.1";
    const near = host === "localhost" || host === "0.0.0.0" ? "127.0.0.1" : host;
    return {
      http: `http://${near}:${scalar(get["port"]) ?? "80"}${scalar(get["path"]) ?? "/"}`,
    };
  }
  const exec = probe["exec"];
  const command = isRecord(exec) ? (scalar(exec["command"]) ?? "") : "";
  if (command !== "") return probeOf(command, undefined, (port) => port) ?? { command };
  drop("it has neither http_get nor exec");
  return undefined;
}

/** The times of a process; process-compose leaves out a time at which it runs, as newel does. */
export function scheduleOf(given: unknown, drop: (key: string, reason: string) => void): Setting {
  if (!isRecord(given)) return undefined;
  const cron = scalar(given["cron"])?.trim();
  const tz = scalar(given["timezone"]);
  if (given["interval"] !== undefined)
    drop("interval", 'a schedule of newel has a cron expression alone, as in "*/5 * * * *"');
  if (boolean(given["run_on_start"]) === true)
    drop(
      "run_on_start",
      "a service with a schedule starts at its times: `newel start NAME` runs it",
    );
  const most = integer(given["max_concurrent"]);
  if (most !== undefined && most > 1)
    drop("max_concurrent", "newel leaves out a time at which the former run is not over");
  if (cron === undefined || cron === "") return undefined;
  const problem = cronProblem(cron);
  if (problem === undefined) return tz === undefined ? cron : { cron, tz };
  drop("cron", `it is no cron expression: ${problem}`);
  return undefined;
}
