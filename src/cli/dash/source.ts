import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";

import { hasCode, revive } from "../../base/errors.ts";
import type { LogsWanted, PageLine } from "../../dashboard/messages.ts";
import type { LineTaker, Source } from "../../dashboard/source.ts";
import type { SupervisorEvent } from "../../supervisor/api.ts";
import { execute } from "../cli.ts";
import type { Arguments, Context } from "../command.ts";
import type { LogLine } from "../logs/line.ts";
import { gapSentence } from "../logs/printer.ts";
import { showLogs } from "../logs/show.ts";
import { Output } from "../output/output.ts";
import { findKernel } from "../reach.ts";
import { covers } from "../select.ts";
import { look } from "../why/look.ts";
import { SupervisorLink } from "./supervisor-link.ts";

/** How many kept lines a page gets first. */
const KEPT_LINES = 500;
/** A longer line is cut, and the page says so. */
const LINE_CHARACTERS = 4_000;

const NO_ARGUMENTS: Arguments = {
  words: [],
  command: [],
  has: () => false,
  text: () => undefined,
};

/** The data of the dashboard, from the functions of the commands. */
export function dashboardSource(context: Context): Source & { close(): Promise<void> } {
  const { cwd, environment } = context;
  // The readings are repeated: their notes are for no terminal.
  const sink = lineSink(() => undefined);
  const output = new Output({ stdout: sink, stderr: sink, json: false, environment });
  const quiet: Context = { output, cwd, environment };
  const link = new SupervisorLink(quiet);
  return {
    services: () => link.ask((supervisor) => supervisor.list({ names: [] })),
    why: () => look(NO_ARGUMENTS, quiet),
    async detail(app, service) {
      try {
        const found = await link.ask((supervisor) => supervisor.show({ app, names: [service] }));
        const detail = found?.find((each) => each.app === app && each.name === service);
        return detail && { ...detail, lastLines: detail.lastLines.map(bare) };
      } catch (error) {
        if (hasCode(error, "NEWEL_E_NO_SERVICE")) return undefined;
        throw error;
      }
    },
    metrics: async (app) =>
      (await link.ask((supervisor) => supervisor.metrics({ apps: [app] }))) ?? [],
    events: (signal) => followEvents(link, signal),
    logs: (wanted, taker, signal) => readLogs(quiet, wanted, taker, signal),
    document: (words) => readDocument(words, context),
    run: (words, print) => {
      const [stdout, stderr] = [lineSink(print), lineSink(print)];
      return execute(words, { stdout, stderr, cwd, environment });
    },
    close: () => link.close(),
  };
}

/** Runs a command with `--json` in this process. */
async function readDocument(
  words: readonly string[],
  { cwd, environment }: Context,
): Promise<unknown> {
  const pieces: string[] = [];
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk.toString("utf8"));
      done();
    },
  });
  const stderr = lineSink(() => undefined);
  await execute([...words, "--json"], { stdout, stderr, cwd, environment });
  const document: unknown = JSON.parse(pieces.join("") || "null");
  if (typeof document !== "object" || document === null || !("error" in document)) return document;
  // An error takes the place of the document; a run has an error too, and an id.
  if ("id" in document) return document;
  throw revive(document.error as Parameters<typeof revive>[0]);
}

async function* followEvents(
  link: SupervisorLink,
  signal: AbortSignal,
): AsyncGenerator<SupervisorEvent, void> {
  const supervisor = await link.streams();
  if (supervisor === undefined) return;
  try {
    yield* supervisor.with({ signal }).events();
  } catch (error) {
    if (!signal.aborted && !hasCode(error, "NEWEL_E_CONNECTION_LOST")) throw error;
  }
}

async function readLogs(
  context: Context,
  { services, text }: LogsWanted,
  taker: LineTaker,
  signal: AbortSignal,
): Promise<void> {
  const kernel = await findKernel(context);
  if (kernel === undefined) return;
  const part = text.toLowerCase();
  try {
    await showLogs(kernel, {
      wants: (source) => covers(services, source),
      streams: ["out", "err"],
      lines: KEPT_LINES,
      follow: true,
      signal,
      ...(part === ""
        ? {}
        : { keeps: ({ bytes }) => bytes.toString("utf8").toLowerCase().includes(part) }),
      print: (line) => taker.print(toPageLine(line)),
      caughtUp: () => taker.caughtUp(),
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await kernel.close();
  }
}

function toPageLine(line: LogLine): PageLine {
  const { source, stream, timeMs, offset, bytes, gap, isGap } = line;
  const { run, name, info } = source;
  const text = bare(bytes.toString("utf8"));
  return {
    ...(run === undefined ? {} : { app: run.app, service: run.service }),
    process: name,
    stream,
    timeMs,
    id: `${info.name} ${stream} ${offset}`,
    text: text.slice(0, LINE_CHARACTERS),
    ...(text.length > LINE_CHARACTERS ? { cut: text.length - LINE_CHARACTERS } : {}),
    ...(gap > 0 ? { gap: gapSentence(line) } : {}),
    ...(isGap ? { isGap: true } : {}),
  };
}

/** A line without escape sequences of terminals and without the rest of a line break of Windows. */
function bare(line: string): string {
  return stripVTControlCharacters(line).replace(/\r$/, "");
}

/** Passes on whole lines. */
function lineSink(print: (line: string) => void): Writable {
  let rest = "";
  return new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _encoding, done) {
      const lines = `${rest}${chunk.toString()}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) print(bare(line));
      done();
    },
  });
}
