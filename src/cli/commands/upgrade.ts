import { findHome } from "../../base/home.ts";
import { stageBuild } from "../../base/runtime.ts";
import { pruneRuntimes } from "../../base/runtime-prune.ts";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { moveDaemons, type Moves } from "../move-daemons.ts";

export const upgrade: Command = {
  name: "upgrade",
  summary: "Replace the daemons by this version; no service restarts",
  usage: "[--downgrade]",
  options: {
    downgrade: { summary: "replace the daemons even if they have a newer version" },
  },
  examples: [
    { line: "npm install newel@latest && npx newel upgrade", does: "in the directory of an app" },
  ],
  notes: [
    "The daemons run from a copy in the home (runtime/VERSION-HASH), so an installation may be removed at any time. This command copies the calling version there, tries it, and replaces kernel and supervisor in their own processes, with the Node.js that runs this command. Copies that no process uses are removed. Services keep their pids; they get this version's preload with their next start.",
  ],
  async run(args, context) {
    const home = findHome(context.environment);
    const build = await stageBuild(home, args.has("downgrade"));
    let moves: Moves;
    try {
      moves = await moveDaemons(context, build);
    } finally {
      build.release();
    }
    const removed = pruneRuntimes(home);
    print(context, build.version, moves, removed);
    return EXIT.done;
  },
};

function print(
  { output, environment }: Context,
  version: string,
  moves: Moves,
  removed: readonly string[],
): void {
  if (output.json) {
    output.printDocument({ newel: version, ...moves, removed });
    return;
  }
  const daemons = Object.entries(moves).filter(([, move]) => move !== null);
  for (const [name, { pid, from, to }] of daemons)
    output.print(`${name} ${from === to ? to : `${from} → ${to}`} (pid ${pid})`);
  if (daemons.length === 0)
    output.print(
      `Nothing runs in ${findHome(environment).directory}; the next start is newel ${version}.`,
    );
  for (const name of removed) output.say(`Removed the copy ${name}, which no process uses.`);
}
