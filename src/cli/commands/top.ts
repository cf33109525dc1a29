import { ReadStream } from "node:tty";

import { closest } from "../../base/names.ts";
import { sleep } from "../../base/timers.ts";
import { durationMs } from "../../base/units.ts";
import { usageError } from "../arguments.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { formatRows } from "../top/frame.ts";
import { showLive } from "../top/live.ts";
import { arrange, SORT_KEYS, type SortKey } from "../top/rows.ts";
import { Sampler } from "../top/sampler.ts";

const DEFAULT_INTERVAL = "1s";
const LEAST_INTERVAL_MS = 200;

export const top: Command = {
  name: "top",
  summary: "Show services live: CPU, memory, event loop, restarts",
  usage: "[SERVICE…] [-a] [--sort COLUMN] [--interval TIME] [--app NAME]",
  words: { max: Infinity },
  options: {
    all: { short: "a", summary: "one line per process" },
    sort: { value: "COLUMN", summary: `${SORT_KEYS.join(", ")} (default: name)` },
    interval: {
      value: "TIME",
      summary: `time between two readings (default: ${DEFAULT_INTERVAL})`,
    },
    app: { value: "NAME", summary: "the app (default: every app of the home)" },
  },
  examples: [
    { line: "newel top", does: "the live table; ? lists its keys, q quits" },
    { line: "newel top web worker --sort memory", does: "two services, the largest first" },
    { line: "newel top | cat", does: "one reading, for a pipe" },
    { line: "newel top -a --json", does: "one reading, for programs" },
  ],
  notes: [
    "It starts nothing and changes nothing, except by the keys r (restart) and x (stop), which ask first. LOOP is the 99th percentile of the delay of the event loop of Node.js since the reading before.",
  ],
  async run(args, context) {
    const { output } = context;
    const app = args.text("app");
    const sort = sortKey(args.text("sort") ?? "name");
    const intervalMs = durationMs(args.text("interval") ?? DEFAULT_INTERVAL, "--interval");
    if (intervalMs < LEAST_INTERVAL_MS)
      throw usageError(`--interval is at least ${LEAST_INTERVAL_MS}ms.`);
    const by = args.has("all") ? "replica" : "service";
    const names = args.words;
    const sampler = new Sampler(context, app === undefined ? { names } : { app, names });
    const input = process.stdin;
    try {
      // A wrong name or a missing supervisor is reported before the screen is taken.
      await sampler.open();
      await sampler.read();
      if (output.stdout.isTTY === true && !output.json && input instanceof ReadStream) {
        const state = { sort, filter: "", by, selected: undefined, mode: "table" } as const;
        await showLive({ sampler, output, input, intervalMs, state });
        return EXIT.done;
      }
      // CPU and delays are those between two readings.
      await sleep(intervalMs);
      await sampler.read();
      const rows = arrange(sampler.rows(by), sort, "");
      if (output.json) output.printDocument(rows);
      else for (const line of formatRows(rows, output)) output.print(line);
      return EXIT.done;
    } finally {
      await sampler.close();
    }
  },
};

function sortKey(text: string): SortKey {
  const key = SORT_KEYS.find((each) => each === text);
  if (key !== undefined) return key;
  const near = closest(text, SORT_KEYS);
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  throw usageError(`--sort ${text} is no column: ${SORT_KEYS.join(", ")}.${hint}`);
}
