import { packageVersion } from "../../base/version.ts";
import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { findKernel, findSupervisor } from "../reach.ts";

/** A daemon of this home. */
interface Daemon {
  readonly version: string;
  readonly pid: number;
}

export const version: Command = {
  name: "version",
  summary: "Print the versions of newel, Node.js and the daemons",
  usage: "",
  options: {},
  examples: [{ line: "newel version --json", does: "with the pids of supervisor and kernel" }],
  async run(_args, context) {
    const { output } = context;
    const daemons = {
      supervisor: await supervisorOf(context),
      kernel: await kernelOf(context),
    };
    const newel = packageVersion();
    if (output.json) {
      output.printDocument({ newel, node: process.version, ...daemons });
      return EXIT.done;
    }
    output.print(`newel ${newel} on Node.js ${process.version}`);
    for (const [name, daemon] of Object.entries(daemons)) {
      const text = daemon === null ? "not running" : `${daemon.version} (pid ${daemon.pid})`;
      output.print(`${name} ${text}`);
    }
    return EXIT.done;
  },
};

async function supervisorOf(context: Context): Promise<Daemon | null> {
  const connection = await findSupervisor(context);
  if (connection === undefined) return null;
  const { version, pid } = await connection.remote.hello();
  await connection.close();
  return { version, pid };
}

async function kernelOf(context: Context): Promise<Daemon | null> {
  const kernel = await findKernel(context);
  if (kernel === undefined) return null;
  const { version, pid } = await kernel.status();
  await kernel.close();
  return { version, pid };
}
