import { newelError } from "../base/errors.ts";
import { closest, matches } from "../base/names.ts";
import type { ProcessInfo } from "../kernel/process-api.ts";
import { deployedApp, parseRunName, type RunName, shownName } from "../supervisor/process-names.ts";

/** A process of the kernel, as the operator knows it. */
export interface Source {
  readonly info: ProcessInfo;
  /** Missing for a process that the supervisor did not make. */
  readonly run?: RunName;
  /** `web.1`, or the kernel's name where there is no other. */
  readonly name: string;
}

export function toSource(info: ProcessInfo): Source {
  const deployed = deployedApp(info.name);
  // The marks of deploys stand among the lines of the services.
  if (deployed !== undefined)
    return {
      info,
      run: { app: deployed, service: "deploy", slot: 0, run: info.startedMs, hash: "" },
      name: "deploy",
    };
  const run = parseRunName(info.name) ?? parseJoined(info);
  if (run?.slot === 0) return { info, run, name: run.service };
  return run === undefined ? { info, name: info.name } : { info, run, name: shownName(run) };
}

/** Joined output of old generations in the archive: it stands for the whole service. */
function parseJoined({ name, group, archived }: ProcessInfo): RunName | undefined {
  const match = archived === true && name === group ? /^([^/]+)\/(.+)$/.exec(name) : null;
  if (match === null) return undefined;
  const [, app = "", service = ""] = match;
  return { app, service, slot: 0, run: 0, hash: "" };
}

/** Whether one of the words stands for the process: `web`, `web.1`, `shop/web`, `web*`; none: all. */
export function covers(words: readonly string[], source: Source): boolean {
  return words.length === 0 || words.some((word) => coversOne(word, source));
}

function coversOne(word: string, { info, run, name }: Source): boolean {
  const names =
    run === undefined
      ? [info.name]
      : [info.name, name, run.service, `${run.app}/${name}`, `${run.app}/${run.service}`];
  return names.some((each) => matches(word, each));
}

/** The words that match no process or service. */
export function unknownWords(words: readonly string[], sources: readonly Source[]): string[] {
  return words.filter((word) => !sources.some((source) => coversOne(word, source)));
}

/** NEWEL_E_NO_SERVICE with the nearest name there is. */
export function noSuchName(
  word: string,
  sources: readonly Source[],
  services: readonly string[] = [],
): Error {
  const known = sources.map(({ run, name }) => run?.service ?? name);
  const near = closest(word, [...services, ...known]);
  const hint = near === undefined ? "" : `. Did you mean ${near}?`;
  return newelError("NEWEL_E_NO_SERVICE", { name: word, hint });
}
