import { resolve } from "node:path";

import { newelError } from "../../base/errors.ts";
import { runningServer, stopServer } from "../../jobs/server/control.ts";
import type { ProgramOptions } from "../../jobs/server/program.ts";
import { readSettings } from "../../jobs/server/settings.ts";
import { usageError } from "../arguments.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";

const VERBS = ["start", "stop", "restart", "status"] as const;
type Verb = (typeof VERBS)[number];

export const jobsServer: Command = {
  name: "jobs server",
  summary: "Run the job server, here or in the background",
  usage: "--modules GLOB… [--start|--stop|--restart|--status] [--pidfile FILE]",
  words: { max: Infinity },
  options: {
    modules: { value: "GLOB", summary: "the modules that define jobs; more may follow" },
    store: {
      value: "URL",
      summary: "where the jobs are (default: $NEWEL_JOBS_STORE, else sqlite:./data/jobs.db)",
    },
    processes: {
      value: "N",
      summary: "how many jobs run at once (default: one for each processor)",
    },
    grace: { value: "TIME", summary: "what jobs have to end when the server stops (default: 20s)" },
    start: { summary: "go on in the background, and return when jobs are taken" },
    stop: { summary: "stop the one of the pidfile, and return when it has ended" },
    restart: { summary: "stop the one of the pidfile, if it runs, and start" },
    status: { summary: "tell whether the one of the pidfile runs; exit code 3 if not" },
    pidfile: { value: "FILE", summary: "where its pid is kept while it runs" },
    log: { value: "FILE", summary: "with --start: what its output is appended to" },
    host: {
      value: "HOST",
      summary: "the address to listen on for clients",
      blank: true,
    },
    port: { value: "PORT", summary: "the port to listen on for clients" },
    "authkey-file": {
      value: "FILE",
      summary: "the file with the secret that clients prove to know",
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
    "Jobs that are not done when the grace is over are given back and run again later, by this server or another one. Under the supervisor the server is a service: `jobs` in newel.config.ts.",
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
      store: args.text("store"),
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
  const { runJobServer } = await import("../../jobs/server/program.ts");
  const code = await runJobServer({
    ...settings,
    ...(pidfile === undefined ? {} : { pidfile: resolve(cwd, pidfile) }),
    ...(inBackground ? { daemon: inTheBackground(context, pidfile, log) } : {}),
  });
  return code === 0 ? EXIT.done : EXIT.failed;
}

/** How it goes on, and what is said when it does. */
function inTheBackground(
  { cwd, output }: Context,
  pidfile: string | undefined,
  log: string | undefined,
): NonNullable<ProgramOptions["daemon"]> {
  const launched = (pid: number): void => {
    output.say(`The job server runs (pid ${pid}).`);
    output.say(log === undefined ? "Its output is not kept: --log FILE." : `Its log: ${log}`);
    output.say(`To stop it: newel jobs server --stop --pidfile ${pidfile ?? ""}`);
  };
  return { launched, ...(log === undefined ? {} : { log: resolve(cwd, log) }) };
}

/** Said here, and not by a daemon that fails: who has the pidfile. */
async function makeWay(pidfile: string, verb: Verb | undefined, context: Context): Promise<void> {
  const path = resolve(context.cwd, pidfile);
  if (verb === "restart") await stopServer(path);
  const pid = runningServer(path);
  if (pid !== undefined && pid !== process.pid)
    throw newelError("NEWEL_E_BUS_PIDFILE", { path, holder: `process ${pid}` });
}
