import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";

import { CONFIG_EXTENSIONS } from "../../base/project.ts";
import { isNewelError, newelError } from "../../base/errors.ts";
import { shownFile } from "../../supervisor/config/problems.ts";
import type { Note, Translation } from "../../supervisor/translate/draft.ts";
import { usageError } from "../arguments.ts";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-codes.ts";

const NAME = "newel.config.ts";

export const init: Command = {
  name: "init",
  summary: "Write a configuration from the file of another tool",
  usage: "[--from FILE…] [--print] [--force]",
  words: { max: 1000 },
  options: {
    from: {
      value: "FILE",
      summary:
        "a file of pm2, compose, process-compose, supervisord or systemd, a Procfile, or package.json (default: the one here)",
    },
    print: { summary: "print the configuration; write nothing" },
    force: { summary: "replace an existing configuration" },
  },
  examples: [
    { line: "newel init", does: "from the file of another tool in this directory" },
    { line: "newel init --from ecosystem.config.js --print", does: "look at the result first" },
    { line: "newel init --from web.service worker.service", does: "from units of systemd" },
  ],
  notes: [
    "Each thing that is not carried over is printed to stderr with its line and the reason, and stands as a comment in the configuration.",
  ],
  async run(args, context) {
    const { output, cwd, environment } = context;
    const named = [...(args.has("from") ? [args.text("from") ?? ""] : []), ...args.words];
    const { translate, detect } = await import("../../supervisor/translate/read.ts");
    const { printConfig } = await import("../../supervisor/translate/print.ts");
    const found = named.length === 0 ? detect(cwd) : undefined;
    if (named.length === 0 && found === undefined) throw usageError(nothingIn(cwd));
    const files = found === undefined ? named.map((file) => resolve(cwd, file)) : [found];
    const options = { cwd, environment, place: "project" } as const;
    const { translation, directory } = await translate(files, options);
    if (translation.services.length === 0)
      throw newelError("NEWEL_E_INIT_EMPTY", { file: shownFile(translation.file, cwd) });
    const text = printConfig(translation);
    const target = join(directory, NAME);
    if (!args.has("print")) write(directory, text, args.has("force"));
    report(translation, context);
    if (output.json)
      output.printDocument({
        from: translation.file,
        tool: translation.tool,
        file: args.has("print") ? null : target,
        services: translation.services.map(({ name }) => name),
        notes: translation.notes.map((note) => ({ file: translation.file, ...note })),
        ...(args.has("print") ? { text } : {}),
      });
    else if (args.has("print")) output.stdout.write(text);
    if (!args.has("print")) await sayNext(target, context);
    return EXIT.done;
  },
};

function nothingIn(cwd: string): string {
  return `${cwd} has no file of another tool (ecosystem.config.js, Procfile, compose.yaml, process-compose.yaml, supervisord.conf, *.service, package.json): name one with --from.`;
}

/** Never over a configuration that is there, also one with another extension, which would no longer count. */
function write(directory: string, text: string, force: boolean): void {
  const target = join(directory, NAME);
  const names = CONFIG_EXTENSIONS.map((extension) => `newel.config${extension}`);
  const there = names.find((name) => existsSync(join(directory, name)));
  if (there !== undefined && !force)
    throw newelError("NEWEL_E_INIT_EXISTS", { file: join(directory, there) });
  // A half-written configuration is never there, and a file that came in between is not lost without --force.
  if (!force) {
    writeFileSync(target, text, { flag: "wx" });
    return;
  }
  const next = `${target}.${process.pid}`;
  try {
    writeFileSync(next, text);
    renameSync(next, target);
  } finally {
    rmSync(next, { force: true });
  }
}

const KINDS = {
  dropped: "Not carried over:",
  remark: "Carried over in another way:",
  needless: "Not needed:",
} as const;

/** Every note, below its heading. */
function report(translation: Translation, { output, cwd }: Context): void {
  const { tool, file, services, notes } = translation;
  const count = `${services.length} ${services.length === 1 ? "service" : "services"}`;
  output.say(`Read ${shownFile(file, cwd)} (${tool}): ${count}.`);
  for (const [kind, heading] of Object.entries(KINDS)) {
    const own = notes.filter((note) => note.kind === kind);
    if (own.length === 0) continue;
    output.say(heading);
    for (const note of own) output.say(`  ${noteText(note, file, cwd)}`);
  }
  const advice = SURROUNDINGS[tool];
  if (advice !== undefined) output.say(advice);
}

function noteText(
  { kind, file, line, service, key, reason }: Note,
  main: string,
  cwd: string,
): string {
  const place = `${shownFile(file ?? main, cwd)}${line === undefined ? "" : `:${line}`}`;
  const subject = [service, key].filter((each) => each !== undefined && each !== "").join(".");
  const sentence = kind === "remark" ? reason : `${reason}.`;
  return subject === ""
    ? `${place}  ${sentence}`
    : `${place}  ${subject}${kind === "remark" ? " " : ": "}${sentence}`;
}

const PASSED =
  "Environment: newel passes PATH, HOME and a few other variables, then env and envFile. Name further ones in passEnv.";

/** Tools that pass all variables of the caller. */
const SURROUNDINGS: Readonly<Partial<Record<Translation["tool"], string>>> = {
  pm2: PASSED,
  Procfile: PASSED,
  "process-compose": PASSED,
  supervisord: PASSED,
  "package.json": PASSED,
};

/** Reads the result as `newel check` does, so that a missing file or port is known now. */
async function sayNext(target: string, { output, cwd, environment }: Context): Promise<void> {
  output.say(`Wrote ${shownFile(target, cwd)}.`);
  const { loadConfig } = await import("../../supervisor/config/load.ts");
  try {
    await loadConfig({ cwd, file: target, environment });
    output.say("`newel check` reads it, `newel up --plan` shows the steps, `newel up` starts it.");
  } catch (error) {
    if (!isNewelError(error)) throw error;
    output.say(`To correct in ${basename(target)} before \`newel up\`:`);
    for (const line of error.message.split("\n")) output.say(`  ${line}`);
  }
}
