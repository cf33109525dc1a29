import { hasCode, isNewelError } from "../../base/errors.ts";
import { type Home, findHome } from "../../base/home.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import type { FailedUp, ServiceView } from "../../supervisor/api.ts";
import type { ResolvedConfig, ResolvedService } from "../../supervisor/config/resolved.ts";
import { locateInFile } from "../../supervisor/config/locate-file.ts";
import { storedApps } from "../../supervisor/stored-apps.ts";
import type { Arguments, Context } from "../command.ts";
import { plain } from "../output/output.ts";
import { findKernel, findSupervisor, type Supervisor } from "../reach.ts";
import { diagnose, toDiagnosis } from "./diagnose.ts";
import { gather } from "./gather.ts";
import { explainNotUp, failedRun, observeNotUp, type UpFailure } from "./not-up.ts";
import { type Held, observeSupervised, observeUnsupervised, readHeld, runsOf } from "./observe.ts";
import { choose, noService } from "./choose.ts";
import { isAsWanted, subjectOf } from "./subject.ts";
import type { Diagnosis, Observed, Problem } from "./types.ts";

/** A supervisor that takes longer counts as one that hangs, in milliseconds. */
const ANSWER_MS = 3_000;
const HANGS: ReadonlySet<string> = new Set(["NEWEL_E_SUPERVISOR_HANGS", "NEWEL_E_DEADLINE"]);

/** Everything that `newel why` has to say. */
export interface WhyLook {
  readonly ok: boolean;
  readonly diagnoses: readonly Diagnosis[];
  /** Problems of newel itself or of a whole app. */
  readonly problems: readonly Problem[];
  readonly notes: readonly string[];
}

/** The services of the home and the state of the daemons. */
interface Present {
  readonly services: readonly Observed[];
  readonly failedUps: readonly FailedUp[];
  readonly problems: readonly Problem[];
  readonly notes: readonly string[];
}

interface Parts {
  readonly args: Arguments;
  readonly context: Context;
  readonly home: Home;
  readonly kernel: KernelClient | undefined;
  readonly held: Held;
}

/** Observes the services that are meant, and diagnoses those that are not as they should be, or were named. */
export async function look(args: Arguments, context: Context): Promise<WhyLook> {
  const home = findHome(context.environment);
  const kernel = await findKernel(context);
  try {
    const held = await readHeld(kernel, () => storedApps(home));
    return await lookAt({ args, context, home, kernel, held });
  } finally {
    await kernel?.close();
  }
}

async function lookAt(parts: Parts): Promise<WhyLook> {
  const { args, kernel, held, home } = parts;
  const present = await observe(parts);
  const app = args.text("app");
  const { chosen, unknown } = choose(present.services, args.words, app);
  const away = await notUp(parts, present, unknown);
  const left = unknown.filter((word) => !away.found.has(word));
  if (left[0] !== undefined) throw noService(left[0], present.services);
  const diagnoses: Diagnosis[] = [];
  const notes = [...present.notes];
  for (const { observed, named, process } of chosen) {
    const isWell = isAsWanted(observed) && process === undefined;
    if (!named && isWell) {
      if (observed.why !== undefined) notes.push(`${observed.service}: ${plain(observed.why)}`);
      continue;
    }
    diagnoses.push(await diagnoseOne(observed, process, { kernel, home: home.directory }));
  }
  const all = [...diagnoses, ...away.diagnoses];
  const problems = [...present.problems, ...held.problems.map(toProblem), ...away.problems];
  return {
    ok: problems.length === 0 && all.every(({ ok }) => ok),
    diagnoses: all,
    problems,
    notes,
  };
}

async function diagnoseOne(
  observed: Observed,
  process: string | undefined,
  from: { readonly kernel: KernelClient | undefined; readonly home: string },
): Promise<Diagnosis> {
  const subject = subjectOf(observed, process);
  const evidence = await gather(subject, observed.spec, from);
  const { file } = observed;
  return diagnose(
    { observed, subject, evidence, nowMs: Date.now() },
    { file, locate: locateInFile(file) },
  );
}

/** Asks the supervisor, or reads the kernel while none answers. */
async function observe(parts: Parts): Promise<Present> {
  const { context, kernel, held } = parts;
  try {
    const connection = await findSupervisor(context, { greetingMs: ANSWER_MS });
    if (connection === undefined) return unsupervised(held, kernel, undefined);
    try {
      return await supervised(parts, connection.remote.with({ timeoutMs: ANSWER_MS }));
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (!isNewelError(error) || !HANGS.has(error.code)) throw error;
    return unsupervised(held, kernel, {
      cause: "no supervisor",
      what: error.message,
      fix: error.fix,
    });
  }
}

async function supervised(
  { args, kernel, home, held: before }: Parts,
  supervisor: Supervisor,
): Promise<Present> {
  const views = await supervisor.list({ names: [] });
  const { failedUps = [] } = await supervisor.hello();
  const named = args.words.length > 0;
  const asked = views.filter(
    (view) => named || !isAsWanted(observeSupervised(view, views, before)),
  );
  const names = asked.map(({ app, name }) => `${app}/${name}`);
  const details = names.length === 0 ? [] : await supervisor.show({ names });
  // An end that the supervisor knows is in the kernel's list by now; it may not have been before.
  const held = await readHeld(kernel, () => storedApps(home));
  const services = views.map((view): Observed => {
    const isSame = ({ app, name }: ServiceView): boolean => app === view.app && name === view.name;
    return observeSupervised(details.find(isSame) ?? view, views, held);
  });
  const notices = kernel === undefined ? [] : (await kernel.status()).notices;
  const later = failedUps.filter(({ app }) => views.some((view) => view.app === app));
  return {
    services,
    failedUps,
    problems: [],
    notes: [
      ...notices.map((notice) => plain(notice)),
      ...later.map(
        ({ app, timeMs, why }) =>
          `The last \`newel up\` of ${app} failed at ${new Date(timeMs).toISOString()}, and the app runs as before: ${plain(why)}`,
      ),
    ],
  };
}

function unsupervised(
  held: Held,
  kernel: KernelClient | undefined,
  hangs: Problem | undefined,
): Present {
  const services = observeUnsupervised(held);
  const isNeeded = services.some(({ wanted }) => wanted === "up");
  const missing: Problem = {
    cause: "no supervisor",
    what:
      kernel === undefined
        ? "No kernel and no supervisor run here: nothing is known of the processes, and none is started again."
        : "No supervisor runs: processes run on, but none is started again when it ends.",
    fix: "newel up",
  };
  return {
    services,
    failedUps: [],
    problems: hangs !== undefined ? [hangs] : isNeeded ? [missing] : [],
    notes: [],
  };
}

function toProblem(what: string): Problem {
  return { cause: "not started", what };
}

/** The result for services that are not there. */
interface Away {
  readonly diagnoses: readonly Diagnosis[];
  readonly problems: readonly Problem[];
  /** The words that mean such services. */
  readonly found: ReadonlySet<string>;
}

/**
 * The services that the last `up` did not bring up, because it failed, and those of an app that is configured here
 * and is not up.
 */
async function notUp(
  parts: Parts,
  { services, failedUps }: Present,
  words: readonly string[],
): Promise<Away> {
  const found = new Set<string>();
  const none = { diagnoses: [], problems: [], found };
  if (parts.args.words.length > 0 && words.length === 0) return none;
  const asked = parts.args.text("app");
  const isUp = (app: string): boolean => services.some((each) => each.app === app);
  const failed = failedUps.findLast(({ app }) => asked === undefined || app === asked);
  const config = await readConfig(parts, failed?.file);
  if (config === undefined || "what" in config)
    return config === undefined ? none : { ...none, problems: [config] };
  const last = failedUps.find(({ app }) => app === config.name);
  if ((asked ?? config.name) !== config.name || (last === undefined && isUp(config.name)))
    return none;
  const there = new Set(services.map(({ app, service }) => `${app}/${service}`));
  const diagnoses: Diagnosis[] = [];
  for (const spec of config.services.filter(({ name }) => !there.has(`${config.name}/${name}`))) {
    const word = words.find((each) => each === spec.name || each === `${config.name}/${spec.name}`);
    if (word !== undefined) found.add(word);
    const failure = last?.failures?.find(({ service }) => service === spec.name);
    if (words.length > 0 ? word === undefined : failure === undefined) continue;
    diagnoses.push(await diagnoseAway(parts, config, spec, failure));
  }
  const why = last === undefined ? "" : `: the last \`newel up\` failed: ${plain(last.why)}`;
  const problem: Problem = {
    cause: "not up",
    what: `The app ${config.name} of ${config.file} is not up${why}`,
    fix: "newel up",
  };
  const isWhole = words.length === 0 && !isUp(config.name);
  return { diagnoses, problems: isWhole ? [problem] : [], found };
}

async function diagnoseAway(
  { kernel, home, held }: Parts,
  config: ResolvedConfig,
  spec: ResolvedService,
  failure: UpFailure | undefined,
): Promise<Diagnosis> {
  const observed = observeNotUp(config, spec, runsOf(config.name, spec.name, held));
  const subject = failedRun(observed, failure);
  const evidence = await gather(subject, spec, { kernel, home: home.directory });
  const given = { observed, subject, evidence, nowMs: Date.now() };
  const source = { file: config.file, locate: locateInFile(config.file) };
  return toDiagnosis(given, explainNotUp(given, failure), { ok: false, state: "not up", source });
}

/** The configuration here, or that of the `up` that failed; a problem when it cannot be read. */
async function readConfig(
  { context: { cwd, environment } }: Parts,
  file: string | undefined,
): Promise<ResolvedConfig | Problem | undefined> {
  const { loadConfig } = await import("../../supervisor/config/load.ts");
  try {
    return await loadConfig({ cwd, environment, ...(file === undefined ? {} : { file }) });
  } catch (error) {
    if (hasCode(error, "NEWEL_E_CONFIG_MISSING")) return undefined;
    if (!isNewelError(error)) throw error;
    return { cause: "not up", what: error.message, fix: "newel check" };
  }
}
