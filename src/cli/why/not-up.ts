import { findAddressOwner } from "../../supervisor/address-owner.ts";
import type { FailedUp } from "../../supervisor/api.ts";
import type { ResolvedConfig, ResolvedService } from "../../supervisor/config/resolved.ts";
import { parseRunName, shownName } from "../../supervisor/process-names.ts";
import { plain } from "../output/output.ts";
import { explainEnd, hintFacts } from "./explain-end.ts";
import { hintOf } from "./hints.ts";
import type { Case, Evidence, Explanation, Observed, Subject } from "./types.ts";

/** The failure of one service in the last `up` of its app. */
export type UpFailure = NonNullable<FailedUp["failures"]>[number];

/** A service of a configuration whose app is not up. */
export function observeNotUp(
  config: ResolvedConfig,
  spec: ResolvedService,
  runs: Observed["runs"],
): Observed {
  return {
    app: config.name,
    service: spec.name,
    file: config.file,
    spec,
    supervised: false,
    wanted: "up",
    state: "stopped",
    ready: 0,
    replicas: spec.replicas,
    restarts: 0,
    processes: [],
    exits: [],
    runs,
    dependencies: [],
  };
}

/** The generation that failed in the last `up`, or the last one that the kernel lists. */
export function failedRun({ runs }: Observed, failure: UpFailure | undefined): Subject | undefined {
  for (const info of runs.toReversed()) {
    const run = parseRunName(info.name);
    if (run === undefined || info.running) continue;
    const name = shownName(run);
    if (failure?.process !== undefined && failure.process !== name) continue;
    if (failure === undefined && info.exitCode === 0) continue;
    const { pid, startedMs, endedMs, exitCode = null } = info;
    return {
      name,
      kernelName: info.name,
      state: "ended",
      pid,
      startedMs,
      exitCode,
      ...(endedMs === undefined ? {} : { endedMs }),
    };
  }
  return undefined;
}

/** Explains why a service of an app that is not up was not started. */
export function explainNotUp(given: Case, failure: UpFailure | undefined): Explanation {
  return { ...explainFailure(given, failure), fix: "newel up" };
}

function explainFailure(given: Case, failure: UpFailure | undefined): Explanation {
  const { observed, subject, evidence } = given;
  const { service } = observed;
  if (failure?.code === "NEWEL_E_DEPENDENCY") {
    return {
      cause: "dependency",
      what: plain(failure.message),
      facts: [],
      settings: ["dependsOn"],
      advice: "Correct the service that it depends on first.",
    };
  }
  const taken = takenAddress(observed, evidence);
  if (failure?.code === "NEWEL_E_ADDRESS_TAKEN" || failure?.code === "NEWEL_E_ADDRESS_IN_USE")
    return {
      cause: "port taken",
      what: plain(failure.message),
      facts: taken === undefined ? [] : [taken],
      settings: ["listen"],
      advice: failure.fix,
    };
  if (failure !== undefined && /was not ready within/.test(failure.message))
    return {
      cause: "not ready",
      what: plain(failure.message),
      facts: hintFacts(hintOf(evidence.lines), evidence),
      settings: ["ready", "command"],
      advice: failure.fix,
    };
  if (subject?.exitCode !== undefined) return explainEnd(given, subject);
  const [missing] = evidence.missing;
  const facts = evidence.missing.map(({ path }) => `${path} does not exist.`);
  return {
    cause: missing !== undefined ? "missing file" : taken !== undefined ? "port taken" : "not up",
    what: failure === undefined ? `${service} is not up.` : plain(failure.message),
    facts: taken === undefined ? facts : [...facts, taken],
    settings: taken === undefined ? ["command"] : ["listen", "command"],
    ...(failure === undefined ? {} : { advice: failure.fix }),
  };
}

/** The first address of the service on which a process listens that is not the service's own. */
function takenAddress({ spec }: Observed, { portOwner }: Evidence): string | undefined {
  if (portOwner !== undefined) return undefined;
  for (const { host, port, path } of spec?.listen ?? []) {
    const address = {
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
      ...(path === undefined ? {} : { path }),
    };
    const owner = findAddressOwner(address);
    if (owner === undefined) continue;
    const by =
      owner.pid === undefined
        ? `a process of user ${owner.uid ?? "?"}`
        : `pid ${owner.pid} (${plain(owner.command ?? "")})`;
    return `${path ?? `Port ${port ?? ""}`} is taken by ${by}.`;
  }
  return undefined;
}
