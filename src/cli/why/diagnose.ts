import { formatDuration } from "../../base/units.ts";
import { plain } from "../output/output.ts";
import { ago } from "../output/services.ts";
import { explainEnd } from "./explain-end.ts";
import { settingOf, type Source } from "./settings.ts";
import { isAsWanted } from "./subject.ts";
import type { ResolvedService } from "../../supervisor/config/resolved.ts";
import type {
  Case,
  Cause,
  Diagnosis,
  Explanation,
  Observed,
  SettingName,
  Subject,
} from "./types.ts";

/** Explains the state of a service from the facts; reads nothing. */
export function diagnose(given: Case, source: Source): Diagnosis {
  const ok = isAsWanted(given.observed);
  return toDiagnosis(given, explain(given), { ok, state: given.observed.state, source });
}

/** A diagnosis from an explanation, with the places of its settings. */
export function toDiagnosis(
  { observed, subject, evidence }: Case,
  { settings, ...explanation }: Explanation,
  about: {
    readonly ok: boolean;
    readonly state: Diagnosis["state"];
    readonly source: Source;
  },
): Diagnosis {
  const { app, service, ready, replicas, sinceMs, spec } = observed;
  const { ok, state, source } = about;
  return {
    app,
    service,
    ok,
    state,
    ready,
    replicas,
    ...(sinceMs === undefined ? {} : { sinceMs }),
    ...explanation,
    ...(subject === undefined ? {} : subjectFields(subject)),
    lines: evidence.lines,
    settings: spec === undefined ? [] : placed(settings, spec, source),
  };
}

/** A service without a socket has no setting for it. */
function placed(
  names: readonly SettingName[],
  spec: ResolvedService,
  source: Source,
): Diagnosis["settings"] {
  return names
    .filter((name) => name !== "listen" || spec.listen.length > 0)
    .map((name) => settingOf(name, spec, source));
}

function subjectFields({ name, pid, exitCode, endedMs }: Subject): Partial<Diagnosis> {
  return {
    process: name,
    ...(pid === undefined ? {} : { pid }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(endedMs === undefined ? {} : { endedMs }),
  };
}

function explain(given: Case): Explanation {
  const { observed, subject } = given;
  const { service, wanted, state, replicas, why } = observed;
  if (wanted === "down")
    return {
      cause: "stopped",
      what: `${service} is ${state}, as \`newel stop\` or \`newel down\` asked for.`,
      facts: [],
      settings: [],
      fix: `newel start ${service}`,
    };
  if (replicas === 0)
    return {
      cause: "stopped",
      what: `${service} has no replica, because none is wanted.`,
      facts: [],
      settings: ["replicas"],
      fix: `newel scale ${service}=1`,
    };
  if (isAsWanted(observed)) return explainWell(given);
  if (subject?.exitCode !== undefined) return withContext(explainEnd(given, subject), given);
  const unmet = observed.dependencies.filter(({ isMet }) => !isMet);
  if (subject?.state === "starting") return withContext(explainStarting(given, subject), given);
  if (unmet.length > 0) return explainDependency(given, unmet);
  if (why !== undefined) return withContext(explainReason(given, why), given);
  return {
    cause: "not started",
    what: `${service} is ${state}: ${observed.ready} of ${replicas} are ready.`,
    facts: [],
    settings: ["command", "restart"],
    fix: `newel restart ${service}`,
  };
}

/** A service that is as it should be; its last failure may still be of interest. */
function explainWell(given: Case): Explanation {
  const { observed, subject, nowMs } = given;
  const { service, state, why, ready, replicas, nextRunMs } = observed;
  const what =
    state !== "running" && nextRunMs !== undefined
      ? `${service} waits for the next time of its schedule, ${new Date(nextRunMs).toISOString()}.`
      : state === "completed"
        ? `${service} has completed its work, and its restart policy starts it no more.`
        : `${service} is as it should be: ${ready} of ${replicas} are ready.`;
  const facts = why === undefined ? [] : [sentence(why)];
  if (subject?.exitCode === undefined)
    return { cause: "none", what, facts: [...facts, ...dependencyFacts(given)], settings: [] };
  const end = explainEnd(given, subject);
  const past = `Its last failure was ${ago(subject.endedMs ?? nowMs, nowMs)} ago: ${end.what}`;
  return {
    cause: end.cause,
    what,
    facts: [...facts, past, ...end.facts, ...dependencyFacts(given)],
    settings: end.settings,
  };
}

/** A process that is not ready yet. */
function explainStarting({ observed, nowMs }: Case, subject: Subject): Explanation {
  const { spec, service } = observed;
  const limit = spec === undefined ? "" : `, of ${formatDuration(spec.ready.timeoutMs)}`;
  const since = ago(subject.startedMs ?? nowMs, nowMs);
  return {
    cause: "starting",
    what: `${subject.name} has been starting for ${since}${limit}, and is not ready yet.`,
    facts: [],
    settings: ["ready", "command"],
    fix: `newel logs ${service} -f`,
  };
}

function explainDependency({ observed }: Case, unmet: Observed["dependencies"]): Explanation {
  const { service } = observed;
  const [first] = unmet;
  const names = unmet.map(({ name, state, condition }) => `${name} is ${state}, not ${condition}`);
  return {
    cause: "dependency",
    what: `${service} is not started, because it depends on ${unmet.map(({ name }) => name).join(", ")}.`,
    facts: names.map(sentence),
    settings: ["dependsOn"],
    fix: `newel start ${service}`,
    advice: `\`newel why ${first?.name ?? ""}\` explains that service; correct it first.`,
  };
}

/** Only the supervisor's own reason is known, such as a process that could not be made. */
function explainReason({ observed, evidence, subject }: Case, why: string): Explanation {
  const { service } = observed;
  const [missing] = evidence.missing;
  const isTaken = /NEWEL_E_ADDRESS_IN_USE|in use by another program|EADDRINUSE/.test(why);
  const isFull = /NEWEL_E_NOT_KEPT|NEWEL_E_DISK_FULL|ENOSPC|no space left/i.test(why);
  const isLate = subject?.exit?.reason === "late" || /was not ready within/.test(why);
  const cause: Cause =
    missing !== undefined
      ? "missing file"
      : isTaken
        ? "port taken"
        : isFull
          ? "disk full"
          : isLate
            ? "not ready"
            : "not started";
  return {
    cause,
    what: sentence(why),
    facts: [
      ...(missing === undefined ? [] : [`${missing.path} does not exist.`]),
      ...evidence.full.map((path) => `The file system of ${path} has no room.`),
    ],
    settings: [
      ...(isTaken ? (["listen"] as const) : []),
      ...(isLate ? (["ready"] as const) : []),
      "command",
      "restart",
    ],
    fix: `newel start ${service}`,
    advice: "Correct the cause first.",
  };
}

/** Adds the next action of newel, and the dependencies that are not as they should be. */
function withContext(explanation: Explanation, given: Case): Explanation {
  const { observed, subject, nowMs } = given;
  const { nextTryMs, state, name } = subject ?? {};
  const next =
    nextTryMs === undefined
      ? []
      : [`newel starts ${name ?? "it"} again in ${until(nextTryMs, nowMs)}.`];
  const gaveUp = state === "failed" ? gaveUpFacts(observed) : [];
  const starting = state === "starting" ? [`${name ?? "It"} is being started again.`] : [];
  return {
    ...explanation,
    facts: [...explanation.facts, ...gaveUp, ...next, ...starting, ...dependencyFacts(given)],
  };
}

/** Why newel does not start a failed replica again. */
function gaveUpFacts({ spec, why, supervised }: Observed): string[] {
  if (!supervised) return [];
  if (spec?.restart.policy === "never")
    return ["newel does not start it again, because its restart policy is never."];
  if (why === undefined) return [];
  return [`newel does not start it again: ${sentence(why.replace(/^\S+\.\d+: /, ""))}`];
}

function dependencyFacts({ observed }: Case): string[] {
  return observed.dependencies
    .filter(({ isMet }) => !isMet)
    .map(
      ({ name, state, condition }) =>
        `It depends on ${name}, which is ${state} and not ${condition}: \`newel why ${name}\`.`,
    );
}

function until(atMs: number, nowMs: number): string {
  return formatDuration(Math.max(0, Math.ceil((atMs - nowMs) / 1_000)) * 1_000 || 1_000);
}

/** Makes a reason a sentence: without control characters, with a full stop at its end. */
function sentence(text: string): string {
  const shown = plain(text).trim();
  return /[.!?]$/.test(shown) ? shown : `${shown}.`;
}
