import { resolve } from "node:path";

import { newelError } from "../../base/errors.ts";
import { requireBullmq } from "../../jobs/bullmq.ts";
import { runningServer, stopServer } from "../../jobs/server/control.ts";
import type { ProgramOptions } from "../../jobs/server/program.ts";
import { readSettings } from "../../jobs/server/settings.ts";
import { withoutPassword } from "../../jobs/store/url.ts";
import { usageError } from "../arguments.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { storeOfConfig } from "../jobs/store.ts";

const VERBS = ["start", "stop", "restart", "status"] as const;
type Verb = (typeof VERBS)[number];

export const jobsServer: Command = {
  name: "jobs server",
  summary: "Run the job server, in the foreground or in the background",
  usage: "--modules GLOB… [--start|--stop|--restart|--status] [--pidfile FILE]",
  words: { max: Infinity },
  options: {
    modules: { value: "GLOB", summary: "the modules that define jobs; more may follow" },
    store: {
      value: "URL",
      summary:
        "the store of the jobs (default: $NEWEL_JOBS_STORE, else of the configuration, else data/jobs.db of the project)",
    },
    processes: {
      value: "N",
      summary: "how many jobs run at once (default: one for each processor)",
    },
    grace: {
      value: "TIME",
      summary: "the time jobs have to end when the server stops (default: 20s)",
    },
    start: { summary: "run in the background, and return when the server takes jobs" },
    stop: { summary: "stop the server of the pidfile, and return when it has ended" },
    restart: { summary: "stop the server of the pidfile, if it runs, and start" },
    status: { summary: "print whether the server of the pidfile runs; exit code 3 if not" },
    pidfile: { value: "FILE", summary: "the file that holds its pid while it runs" },
    log: { value: "FILE", summary: "with --start: the file that its output is appended to" },
    host: {
      value: "HOST",
      summary: "the address to listen on for clients",
      blank: true,
    },
    port: { value: "PORT", summary: "the port to listen on for clients" },
    "authkey-file": {
      value: "FILE",
      summary: "the file with the secret that clients must know",
    },
  },
  examples: [
    { line: 'newel jobs server --modules "src/jobs/*.ts"', does: "run it here, until Ctrl-C" },
    {
      line: "newel jobs server --start --pidfile jobs.pid --modules src/jobs.ts",
      does: "in the background",
    },
    { line: "newel jobs server --status --pidfile jobs.pid", does: "does it run?" },
    { line: "newel jobs server --stop --pidfile jobs.pid", does: "unfinished jobs wait again" },
  ],
  notes: [
    "Jobs that are not done when the grace is over are requeued, and run again on this server or another one. Under the supervisor the server is a service: `jobs` in newel.config.ts.",
  ],
  async run(args, context) {
    const verb = verbOf(args);
    if (verb === "status") return showStatus(pidfileOf(args, context, verb), context);
    if (verb === "stop") return stop(pidfileOf(args, context, verb), context);
    return serve(verb, args, context);
  },
};

function verbOf(args: Arguments): Verb | undefined {
  const given = VERBS.filter((verb) => args.has(verb));
  if (given.length > 1) throw usageError(`--${given[0]} and --${given[1]} exclude each other.`);
  return given[0];
}

function pidfileOf(args: Arguments, { cwd }: Context, verb: Verb): string {
  const path = args.text("pidfile");
  if (path === undefined) throw usageError(`--${verb} needs a pidfile: --pidfile FILE.`);
  return resolve(cwd, path);
}

function showStatus(path: string, { output }: Context): ExitCode {
  const pid = runningServer(path);
  if (output.json) output.printDocument({ running: pid !== undefined, pid: pid ?? null });
  else output.print(pid === undefined ? "not running" : `running (pid ${pid})`);
  return pid === undefined ? EXIT.notRunning : EXIT.done;
}

async function stop(path: string, { output }: Context): Promise<ExitCode> {
  const pid = await stopServer(path);
  if (pid === undefined) output.say("It did not run.");
  else output.say(`Stopped (pid ${pid}).`);
  return pid === undefined ? EXIT.notRunning : EXIT.done;
}

async function serve(verb: Verb | undefined, args: Arguments, context: Context): Promise<ExitCode> {
  const { cwd } = context;
  const first = args.text("modules");
  const settings = readSettings(
    {
      modules: [...(first === undefined ? [] : [first]), ...args.words],
      store: await storeOf(args, context),
      processes: args.text("processes"),
      grace: args.text("grace"),
      host: args.text("host"),
      port: args.text("port"),
      authkeyFile: args.text("authkey-file"),
    },
    cwd,
  );
  const inBackground = verb === "start" || verb === "restart";
  const pidfile = inBackground ? pidfileOf(args, context, verb) : args.text("pidfile");
  if (pidfile !== undefined) await makeWay(pidfile, verb, context);
  const log = args.text("log");
  await requireBullmq();
  const { runJobServer } = await import("../../jobs/server/program.ts");
  const code = await runJobServer({
    ...settings,
    ...(pidfile === undefined ? {} : { pidfile: resolve(cwd, pidfile) }),
    ...(inBackground ? { daemon: inTheBackground(context, settings.store, pidfile, log) } : {}),
  });
  return code === 0 ? EXIT.done : EXIT.failed;
}

/** The store that the command line names, or else the environment or the configuration here or above. */
async function storeOf(args: Arguments, context: Context): Promise<string | undefined> {
  const named = args.text("store") ?? (context.environment["NEWEL_JOBS_STORE"] || undefined);
  return named ?? (await storeOfConfig(undefined, context))?.url;
}

/** How the server continues in the background, and the messages about it. */
function inTheBackground(
  { cwd, output }: Context,
  store: string,
  pidfile: string | undefined,
  log: string | undefined,
): NonNullable<ProgramOptions["daemon"]> {
  const launched = (pid: number): void => {
    output.say(`The job server runs (pid ${pid}).`);
    output.say(log === undefined ? "Its output is not kept: --log FILE." : `Its log: ${log}`);
    output.say(`Its jobs: ${withoutPassword(store)}`);
    output.say(`To stop it: newel jobs server --stop --pidfile ${pidfile ?? ""}`);
  };
  return { launched, ...(log === undefined ? {} : { log: resolve(cwd, log) }) };
}

/** Checks the pidfile before a daemon is started: an error here is seen, one of a daemon may not be. */
async function makeWay(pidfile: string, verb: Verb | undefined, context: Context): Promise<void> {
  const path = resolve(context.cwd, pidfile);
  if (verb === "restart") await stopServer(path);
  const pid = runningServer(path);
  if (pid !== undefined && pid !== process.pid)
    throw newelError("NEWEL_E_BUS_PIDFILE", { path, holder: `process ${pid}` });
}
