import { once } from "node:events";

import { findHome } from "../../base/home.ts";
import { packageVersion } from "../../base/version.ts";
import { DEFAULT_ADDRESS, readAddress } from "../../dashboard/address.ts";
import { type Dashboard, openDashboard } from "../../dashboard/server.ts";
import { describeAddress } from "../../posix/listen-private.ts";
import type { Command, Context } from "../command.ts";
import { dashboardSource } from "../dash/source.ts";
import { EXIT } from "../exit-codes.ts";

export const dash: Command = {
  name: "dash",
  summary: "Serve the dashboard to a browser on this machine until Ctrl-C",
  usage: "[--listen ADDRESS] [--read-only]",
  options: {
    listen: {
      short: "l",
      value: "ADDRESS",
      summary: `a loopback address or the path of a Unix socket (default ${DEFAULT_ADDRESS})`,
    },
    "read-only": { summary: "show everything and change nothing" },
  },
  examples: [
    { line: "newel dash", does: "open the printed link; it works once" },
    { line: "newel dash --read-only --listen 7071", does: "to watch, at another port" },
  ],
  notes: [
    "The page shows the same as `ps`, `why`, `show`, `logs` and the other commands, and each of its actions is a command line that it prints. Enter in its terminal prints another link, for another browser. Nothing of it runs before this command or after it.",
  ],
  async run(args, context) {
    const { environment, cwd } = context;
    const readOnly = args.has("read-only");
    const address = readAddress(args.text("listen") ?? DEFAULT_ADDRESS, cwd);
    const source = dashboardSource(context);
    const { directory: home } = findHome(environment);
    const version = packageVersion();
    const dashboard = await openDashboard({ address, source, readOnly, version, home });
    try {
      showLink(dashboard, context, readOnly);
      await untilEnd(() => showLink(dashboard, context, readOnly));
    } finally {
      dashboard.close();
      await source.close();
    }
    return EXIT.done;
  },
};

/** The secret is behind #, which no browser sends: it is in no log and in no Referer header. */
function showLink(dashboard: Dashboard, { output }: Context, readOnly: boolean): void {
  const { address } = dashboard;
  const isPath = "path" in address;
  const base = isPath ? "http://localhost:7070" : `http://${describeAddress(address)}`;
  const url = `${base}/#link=${dashboard.makeLink()}`;
  if (output.json) {
    output.printObject({ url, address: describeAddress(address), readOnly });
    return;
  }
  output.print(url);
  if (isPath)
    output.say(
      `The dashboard listens on ${address.path}. \`ssh -L 7070:${address.path} HOST\` brings it to port 7070 of your machine.`,
    );
  const another = process.stdin.isTTY ? ", Enter prints another one" : "";
  output.say(`The link works once, within ten minutes${another}. Ctrl-C ends the dashboard.`);
}

/** Waits for a signal; each line of the terminal asks for another link. */
async function untilEnd(ask: () => void): Promise<void> {
  const { stdin } = process;
  if (stdin.isTTY) stdin.on("data", ask);
  try {
    await Promise.race(["SIGINT", "SIGTERM", "SIGHUP"].map((name) => once(process, name)));
  } finally {
    stdin.off("data", ask);
    stdin.pause();
  }
}
