// The kernel's program: takes its home, or says who has it, then serves until it is told to end.
import { parseArgs } from "node:util";

import { hasCode, messageOf } from "../base/errors.ts";
import { findHome, homeAt } from "../base/home.ts";
import { KERNEL_EXIT } from "./exit-codes.ts";
import { lockHome } from "./home-lock.ts";

interface Arguments {
  readonly home: string | undefined;
  readonly port: number | undefined;
  /** Started by a client that needs some kernel: one that is there already is as good. */
  readonly autostart: boolean;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      home: { type: "string" },
      port: { type: "string" },
      autostart: { type: "boolean", default: false },
    },
  });
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw new TypeError(`--port must be a number from 0 to 65535, not ${values.port}`);
  return { home: values.home, port, autostart: values.autostart };
}

function complain(error: unknown): void {
  process.stderr.write(`newel kernel: ${messageOf(error)}\n`);
}

async function main(): Promise<number> {
  let args: Arguments;
  try {
    args = readArguments();
  } catch (error) {
    complain(error);
    return KERNEL_EXIT.usage;
  }
  const { port, autostart } = args;
  try {
    const home = args.home === undefined ? findHome() : homeAt(args.home);
    lockHome(home);
    // Only now the rest is loaded: of many that are started at once, all but one end here.
    const { runKernel } = await import("./daemon.ts");
    return await runKernel({ home, ...(port === undefined ? {} : { port }) });
  } catch (error) {
    const running = hasCode(error, "NEWEL_E_KERNEL_RUNNING");
    if (!(running && autostart)) complain(error);
    return running ? KERNEL_EXIT.running : KERNEL_EXIT.failed;
  }
}

process.exitCode = await main();
