import { readFileSync } from "node:fs";

import { newelError, systemCode } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { formatDuration, formatSize } from "../../base/units.ts";
import { type Layout, layoutOf, logPath } from "../../deploy/layout.ts";
import { readReleases, type Release } from "../../deploy/records.ts";
import { usageError } from "../arguments.ts";
import type { Command } from "../command.ts";
import { appOf, settle } from "../deploys.ts";
import { EXIT } from "../exit-codes.ts";
import { plain } from "../output/output.ts";
import { type Column, formatTable } from "../output/table.ts";

export const releases: Command = {
  name: "releases",
  summary: "List the releases of an app, or print the output of a deploy",
  usage: "[APP] [--log RELEASE] [--json]",
  words: { max: 1 },
  options: { log: { value: "RELEASE", summary: "print the output of that deploy" } },
  examples: [
    { line: "newel releases", does: "number, state, source, age and size of each release" },
    { line: "newel releases --log 12", does: "the output of deploy 12" },
  ],
  async run(args, context) {
    const app = await appOf(args.words[0], context);
    const { output, environment } = context;
    const layout = layoutOf(findHome(environment), app);
    const log = args.text("log");
    if (log !== undefined) {
      output.print(readLog(layout, app, log).replace(/\n$/, ""));
      return EXIT.done;
    }
    await settle(app, context);
    const all = readReleases(layout);
    if (output.json) output.printDocument(all);
    else if (all.length === 0) output.say(`${app} has no release: \`newel deploy\` makes one.`);
    else
      for (const line of formatTable(COLUMNS, all.toReversed(), output.columns)) output.print(line);
    return EXIT.done;
  },
};

const COLUMNS: readonly Column<Release>[] = [
  { title: "RELEASE", align: "right", cell: ({ number }) => String(number) },
  { title: "STATE", cell: stateText },
  { title: "SOURCE", cut: true, cell: sourceText },
  {
    title: "AGE",
    align: "right",
    cell: ({ beganMs }) => formatDuration(Math.max(0, Date.now() - beganMs)),
  },
  { title: "BY", drop: 1, cell: ({ by }) => by },
  {
    title: "SIZE",
    align: "right",
    drop: 2,
    cell: ({ bytes }) => (bytes === undefined ? "" : formatSize(bytes)),
  },
  { title: "CHANGED ENV", drop: 3, cell: ({ changedEnv = [] }) => changedEnv.join(" ") },
];

function stateText({ state, step }: Release): string {
  return state === "failed" || state === "deploying" ? `${state} (${step})` : state;
}

function sourceText({ source, commit }: Release): string {
  return plain(commit === undefined ? source : `${source} ${commit.slice(0, 8)}`);
}

function readLog(layout: Layout, app: string, text: string): string {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw usageError(`--log ${text} is not the number of a release.`);
  try {
    return readFileSync(logPath(layout, number), "utf8");
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    throw newelError("NEWEL_E_DEPLOY_NO_RELEASE", { app, number });
  }
}
