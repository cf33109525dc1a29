import { formatDuration } from "../../base/units.ts";
import type { LastExit } from "../../supervisor/api.ts";
import { ago } from "../output/services.ts";
import { type Ending, endingOf, endingText, faultOf, signalName } from "./endings.ts";
import { type Hint, hintOf } from "./hints.ts";
import type { Case, Cause, Evidence, Explanation, SettingName, Subject } from "./types.ts";

const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** Explains the end of a process: from the supervisor's record, the exit code, the system and its last lines. */
export function explainEnd(given: Case, subject: Subject): Explanation {
  const { observed, evidence, nowMs } = given;
  const { service } = observed;
  const { exit, pid, startedMs, endedMs } = subject;
  const ending = endingOf(subject.exitCode ?? null);
  const lived =
    startedMs === undefined || endedMs === undefined ? undefined : Math.max(0, endedMs - startedMs);
  const when = endedMs === undefined ? "" : `, ${ago(endedMs, nowMs)} ago`;
  const after = lived === undefined ? "" : ` It had lived for ${formatDuration(lived)}.`;
  const who = `${subject.name}${pid === undefined ? "" : ` (pid ${pid})`}`;
  const retry = { fix: `newel restart ${service}` };
  const stopped = stoppedFor(exit?.reason);
  if (stopped !== undefined)
    return {
      ...stopped,
      what: `${who} was stopped${when}: ${exit?.why ?? "it was not ready in time"}.${after}`,
      facts: hintFacts(hintOf(evidence.lines), evidence),
      ...retry,
    };
  const what = `${who} ended with ${endingText(ending)}${when}.${after}`;
  const cause = causeOf(ending, evidence);
  return { what, ...cause, ...adviceOf(cause.cause, given), ...retry };
}

/** The cause and the settings of a replica that newel itself stopped; `undefined` for another end. */
function stoppedFor(
  reason: LastExit["reason"],
): Pick<Explanation, "cause" | "settings" | "advice"> | undefined {
  if (reason === "late")
    return {
      cause: "not ready",
      settings: ["ready", "command", "restart"],
      advice: "Correct the program, or give `ready.timeout` more time and run `newel up`.",
    };
  if (reason === "liveness")
    return {
      cause: "liveness",
      settings: ["alive", "command", "restart"],
      advice: "Correct the program or the check; its last lines are above.",
    };
  if (reason === "memory")
    return {
      cause: "maxMemory",
      settings: ["maxMemory", "command", "restart"],
      advice: "Find what the program keeps, or give `maxMemory` more and run `newel up`.",
    };
  return undefined;
}

interface Found {
  readonly cause: Cause;
  readonly facts: readonly string[];
  readonly settings: readonly SettingName[];
}

function causeOf(ending: Ending, evidence: Evidence): Found {
  const hint = hintOf(evidence.lines);
  const facts = hintFacts(hint, evidence);
  const missing = evidence.missing.map(({ path }) => `${path} does not exist.`);
  if (hint?.kind === "heap")
    return { cause: "out of memory", facts, settings: ["command", "restart"] };
  if (ending.kind === "signal") return { ...causeOfSignal(ending.signal, evidence, facts) };
  if (hint?.kind === "port taken")
    return { cause: "port taken", facts, settings: ["command", "listen"] };
  if (hint?.kind === "disk full" || evidence.full.length > 0)
    return { cause: "disk full", facts, settings: ["command", "cwd"] };
  const isAbsent = ending.kind === "code" && ending.code === NOT_FOUND;
  if (missing.length > 0 || hint?.kind === "missing file" || isAbsent)
    return {
      cause: "missing file",
      facts: [...missing, ...facts],
      settings: ["command", "cwd"],
    };
  const isRefused = ending.kind === "code" && ending.code === NOT_EXECUTABLE;
  return {
    cause: "exit",
    facts: isRefused
      ? ["A shell reports 126 for a file that it may not execute.", ...facts]
      : facts,
    settings: ["command", "restart"],
  };
}

function causeOfSignal(signal: number, evidence: Evidence, facts: readonly string[]): Found {
  const fault = faultOf(signal);
  const settings: readonly SettingName[] = ["command", "restart"];
  if (fault !== undefined)
    return { cause: "signal", facts: [`${upper(fault)}.`, ...facts], settings };
  const name = signalName(signal) ?? `signal ${signal}`;
  if (name !== "SIGKILL")
    return {
      cause: "killed",
      facts: [`newel did not send ${name}: an operator or another program did.`, ...facts],
      settings,
    };
  const memory = evidence.outOfMemory;
  if (memory?.kind === "killed")
    return {
      cause: "out of memory",
      facts: [`The kernel of the system ended it, because memory was short: ${memory.says}`],
      settings,
    };
  const known = `newel did not send SIGKILL: ${senderOf(memory)}.`;
  return { cause: "killed", facts: [known, ...facts], settings };
}

/** The possible senders of a SIGKILL that newel did not send, from the records of the system. */
function senderOf(memory: Evidence["outOfMemory"]): string {
  const other = "an operator or another program did";
  if (memory?.kind === "none")
    return `${other}, because the system has ended no process for lack of memory since its boot`;
  if (memory?.kind === "unnamed")
    return `${other}, because the log of the system names other processes as ended for lack of memory, and not this one`;
  return `${other}, or the system for lack of memory; the log of the system, which would name the process, may not be read by this user`;
}

/** The cause that the last lines name, in sentences. */
export function hintFacts(hint: Hint | undefined, { portOwner, full }: Evidence): string[] {
  const room = full.map((path) => `The file system of ${path} has no room.`);
  switch (hint?.kind) {
    case undefined:
      return room;
    case "port taken": {
      const port = hint.port === undefined ? "its address" : `port ${hint.port}`;
      const owner = portOwner === undefined ? "" : `: ${portOwner} has it now`;
      return [`Another process had ${port}${owner}.`];
    }
    case "disk full":
      return room.length > 0 ? room : ["It could not write, because a file system had no room."];
    case "missing file":
      return hint.path === undefined ? [] : [`It did not find ${hint.path}.`];
    case "heap":
      return [
        "The heap of Node.js reached its limit; `nodeArgs: ['--max-old-space-size=MB']` raises it.",
      ];
    case "refused":
      return [`Nothing accepted its connection to ${hint.address ?? "another program"}.`];
    case "rights":
      return hint.path === undefined ? [] : [`It has no right to use ${hint.path}.`];
  }
}

function adviceOf(cause: Cause, { evidence }: Case): { readonly advice?: string } {
  if (cause === "port taken") {
    const { portOwner } = evidence;
    const first = portOwner === undefined ? "Give" : `Stop ${portOwner}, or give`;
    return { advice: `${first} one of the two programs another port first.` };
  }
  const advice = ADVICE[cause];
  return advice === undefined ? {} : { advice };
}

const ADVICE: Partial<Record<Cause, string>> = {
  "disk full": "Free space first.",
  "missing file": "Put the file in its place, or correct the configuration and run `newel up`.",
  exit: "Correct the program first; its last lines are above.",
  signal: "Correct the program first; its last lines are above.",
};

function upper(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
