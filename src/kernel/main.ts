// The kernel's program: locks its home, or reports the holder of the lock, then serves until it is asked to
// end.
import { parseArgs } from "node:util";

import { hasCode, messageOf } from "../base/errors.ts";
import { findHome, homeAt } from "../base/home.ts";
import { takeHome } from "../base/take-home.ts";
import { setCloseOnExec } from "../posix/descriptors.ts";
import { KERNEL_EXIT } from "./exit-codes.ts";
import { executeFrugally, isFrugal } from "./frugal.ts";
import { lockHome } from "./home-lock.ts";

interface Arguments {
  readonly home: string | undefined;
  readonly port: number | undefined;
  /** Started by a client that needs a kernel: an existing kernel is as good, so it is no error. */
  readonly autostart: boolean;
  /** Wait until no other kernel serves the home, instead of failing: for systemd. */
  readonly wait: boolean;
  /** The descriptor of the handover that this process wrote as a kernel before it replaced itself. */
  readonly handoverFd: number | undefined;
  /** The home's lock, taken by an earlier image of this process. */
  readonly lockFd: number | undefined;
  /** Only report whether this build could take over from the journal in this directory. */
  readonly rehearse: string | undefined;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      home: { type: "string" },
      port: { type: "string" },
      autostart: { type: "boolean", default: false },
      wait: { type: "boolean", default: false },
      "handover-fd": { type: "string" },
      "lock-fd": { type: "string" },
      rehearse: { type: "string" },
    },
  });
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw new TypeError(`--port must be a number from 0 to 65535, not ${values.port}`);
  const { home, autostart, wait, rehearse } = values;
  const handoverFd = numberOf(values["handover-fd"]);
  return { home, port, autostart, wait, handoverFd, lockFd: numberOf(values["lock-fd"]), rehearse };
}

function numberOf(word: string | undefined): number | undefined {
  return word === undefined ? undefined : Number(word);
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
    if (args.rehearse !== undefined) return await rehearseHere(args.rehearse);
    const home = args.home === undefined ? findHome() : homeAt(args.home);
    const listen = port === undefined ? {} : { port };
    if (args.handoverFd !== undefined) {
      const { takeHandover } = await import("./handover.ts");
      const { runKernel } = await import("./daemon.ts");
      const handover = takeHandover(home, args.handoverFd);
      return await runKernel({ home, handover, lockFd: handover.lockFd, ...listen });
    }
    const lock = (): number => lockHome(home).fd;
    const lockFd = args.lockFd ?? (await takeHome(lock, "NEWEL_E_KERNEL_RUNNING", args.wait));
    if (!isFrugal()) {
      const { daemonProgram } = await import("../base/runtime.ts");
      executeFrugally(
        home,
        lockFd,
        await daemonProgram(home, "kernel/main"),
        process.argv.slice(2),
      );
    }
    setCloseOnExec(lockFd, true);
    // The rest is loaded only here: of many kernels that are started at once, all but one end before this
    // line.
    const { runKernel } = await import("./daemon.ts");
    return await runKernel({ home, lockFd, autostart, ...listen });
  } catch (error) {
    const running = hasCode(error, "NEWEL_E_KERNEL_RUNNING");
    if (!(running && autostart)) complain(error);
    return running ? KERNEL_EXIT.running : KERNEL_EXIT.failed;
  }
}

async function rehearseHere(directory: string): Promise<number> {
  const { endWithKernel, rehearse } = await import("./trial.ts");
  endWithKernel();
  // Also loads the modules of the daemon, because a build must be able to load them.
  await import("./daemon.ts");
  process.stdout.write(`${JSON.stringify(rehearse(directory))}\n`);
  return 0;
}

void main().then((code) => {
  process.exitCode = code;
});
