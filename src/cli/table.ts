import { closest } from "../base/names.ts";
import { newelError } from "../base/errors.ts";
import type { Command } from "./command.ts";
import { foreignWord, foreignWords } from "./foreign-words.ts";

/** A row of the table: a command is loaded when it is needed. */
interface Row {
  /** Words of other tools that mean the same; the help does not show them. */
  readonly aliases?: readonly string[];
  /** Shown by `newel` alone. */
  readonly everyday?: true;
  /** Run by newel itself; the help does not show it. */
  readonly internal?: true;
  readonly load: () => Promise<Command>;
}

/** Every command, in the order of the help. */
const ROWS: Readonly<Record<string, Row>> = {
  up: { everyday: true, load: async () => (await import("./commands/up.ts")).up },
  run: { everyday: true, load: async () => (await import("./commands/run.ts")).run },
  dev: { everyday: true, load: async () => (await import("./commands/dev.ts")).dev },
  down: { everyday: true, load: async () => (await import("./commands/down.ts")).down },
  ps: {
    everyday: true,
    aliases: ["ls", "list", "status"],
    load: async () => (await import("./commands/ps.ts")).ps,
  },
  top: {
    everyday: true,
    aliases: ["monit", "stats"],
    load: async () => (await import("./commands/top.ts")).top,
  },
  logs: {
    everyday: true,
    aliases: ["log"],
    load: async () => (await import("./commands/logs.ts")).logs,
  },
  reload: { everyday: true, load: async () => (await import("./commands/reload.ts")).reload },
  restart: { everyday: true, load: async () => (await import("./commands/restart.ts")).restart },
  start: { everyday: true, load: async () => (await import("./commands/start.ts")).start },
  stop: {
    everyday: true,
    aliases: ["rm", "delete"],
    load: async () => (await import("./commands/stop.ts")).stop,
  },
  scale: { everyday: true, load: async () => (await import("./commands/scale.ts")).scale },
  show: {
    everyday: true,
    aliases: ["describe", "info", "desc"],
    load: async () => (await import("./commands/show.ts")).show,
  },
  why: { everyday: true, load: async () => (await import("./commands/why.ts")).why },
  exec: { load: async () => (await import("./commands/exec.ts")).exec },
  doctor: { load: async () => (await import("./commands/doctor.ts")).doctor },
  check: { everyday: true, load: async () => (await import("./commands/check.ts")).check },
  init: { load: async () => (await import("./commands/init.ts")).init },
  deploy: { everyday: true, load: async () => (await import("./commands/deploy.ts")).deploy },
  releases: { load: async () => (await import("./commands/releases.ts")).releases },
  rollback: { load: async () => (await import("./commands/rollback.ts")).rollback },
  "deploy-step": {
    internal: true,
    load: async () => (await import("./commands/deploy-step.ts")).deployStep,
  },
  signal: { load: async () => (await import("./commands/signal.ts")).signal },
  dash: { load: async () => (await import("./commands/dash.ts")).dash },
  metrics: { load: async () => (await import("./commands/metrics.ts")).metrics },
  owners: { load: async () => (await import("./commands/owners.ts")).owners },
  sockets: { load: async () => (await import("./commands/sockets.ts")).sockets },
  values: { load: async () => (await import("./commands/values.ts")).values },
  flush: { load: async () => (await import("./commands/flush.ts")).flush },
  events: { load: async () => (await import("./commands/events.ts")).events },
  "jobs ls": { load: async () => (await import("./commands/jobs-ls.ts")).jobsLs },
  "jobs show": { load: async () => (await import("./commands/jobs-show.ts")).jobsShow },
  "jobs add": { load: async () => (await import("./commands/jobs-add.ts")).jobsAdd },
  "jobs retry": { load: async () => (await import("./commands/jobs-retry.ts")).jobsRetry },
  "jobs cancel": { load: async () => (await import("./commands/jobs-cancel.ts")).jobsCancel },
  "jobs pause": { load: async () => (await import("./commands/jobs-pause.ts")).jobsPause },
  "jobs resume": { load: async () => (await import("./commands/jobs-resume.ts")).jobsResume },
  "jobs drain": { load: async () => (await import("./commands/jobs-drain.ts")).jobsDrain },
  "jobs stats": { load: async () => (await import("./commands/jobs-stats.ts")).jobsStats },
  "jobs restore": { load: async () => (await import("./commands/jobs-restore.ts")).jobsRestore },
  "jobs server": { load: async () => (await import("./commands/jobs-server.ts")).jobsServer },
  kernel: { load: async () => (await import("./commands/kernel.ts")).kernel },
  telnet: { load: async () => (await import("./commands/telnet.ts")).telnet },
  supervisor: { load: async () => (await import("./commands/supervisor.ts")).supervisor },
  upgrade: { load: async () => (await import("./commands/upgrade.ts")).upgrade },
  startup: { load: async () => (await import("./commands/startup.ts")).startup },
  completion: { load: async () => (await import("./commands/completion.ts")).completion },
  version: { load: async () => (await import("./commands/version.ts")).version },
  help: { load: async () => (await import("./commands/help.ts")).help },
};

/** The names of all commands, or of the everyday ones. */
export function commandNames(which: "all" | "everyday" = "all"): string[] {
  return Object.keys(ROWS).filter((name) =>
    which === "all" ? ROWS[name]?.internal !== true : ROWS[name]?.everyday === true,
  );
}

/** The name of the command that a command line begins with, of one word or two, and what follows it. */
export function splitName(argv: readonly string[]): { readonly name: string; rest: string[] } {
  const [first = "", second = "", ...others] = argv;
  const both = `${first} ${second}`;
  return Object.hasOwn(ROWS, both)
    ? { name: both, rest: others }
    : { name: first, rest: argv.slice(1) };
}

/**
 * The command of a name or alias.
 *
 * @throws NEWEL_E_USAGE with the nearest name there is
 */
export async function loadCommand(word: string): Promise<Command> {
  const row = Object.hasOwn(ROWS, word)
    ? ROWS[word]
    : Object.values(ROWS).find(({ aliases }) => aliases?.includes(word));
  if (row !== undefined) return row.load();
  const foreign = foreignWord(word);
  if (foreign !== undefined) throw newelError("NEWEL_E_USAGE", { what: foreign.says });
  const longer = commandNames().filter((name) => name.startsWith(`${word} `));
  if (longer.length > 0)
    throw newelError("NEWEL_E_USAGE", { what: `There is newel ${longer.join(", newel ")}.` });
  const aliases = Object.values(ROWS).flatMap(({ aliases = [] }) => aliases);
  const near = closest(word, [...commandNames(), ...aliases, ...foreignWords()]);
  const hint = near === undefined ? "" : ` Did you mean "newel ${near}"?`;
  throw newelError("NEWEL_E_USAGE", { what: `There is no command "${word}".${hint}` });
}
