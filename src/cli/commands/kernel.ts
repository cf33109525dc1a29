import { counted } from "../../base/counted.ts";
import { findHome } from "../../base/home.ts";
import { takeHome } from "../../base/take-home.ts";
import { formatDuration, formatSize } from "../../base/units.ts";
import type { KernelStatus, SocketReturn } from "../../kernel/api.ts";
import { connectKernel } from "../../kernel/client/client.ts";
import { parsePort, usageError } from "../arguments.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { WAIT_OPTION } from "../wait-option.ts";

export const kernel: Command = {
  name: "kernel",
  summary: "Run newel's kernel in the foreground, or print its status",
  usage: "[--port N] [--wait] [--detach | status | upgrade]",
  words: { max: 1 },
  options: {
    detach: { summary: "start the kernel in the background, if none runs" },
    port: {
      value: "N",
      summary: "also listen on this port of the loopback interface (papa uses 20202)",
    },
    ...WAIT_OPTION,
  },
  examples: [
    { line: "newel kernel --detach", does: "start the kernel if none runs" },
    { line: "newel kernel status", does: "its pid, memory, sockets and processes" },
    { line: "newel kernel upgrade", does: "replace the kernel by this version; no process stops" },
  ],
  notes: ["Commands and clients that need the kernel start it."],
  async run(args, context) {
    const [word] = args.words;
    if (word === "status") return showStatus(context, false);
    if (word === "upgrade") return upgradeKernel(context);
    if (word !== undefined)
      throw usageError(`"${word}" is nothing the kernel does. There are status and upgrade.`);
    if (args.has("detach") && args.has("port"))
      throw usageError("--port is for a kernel in the foreground: newel kernel --port N &");
    if (args.has("detach")) return showStatus(context, true);
    const { lockHome } = await import("../../kernel/home-lock.ts");
    const home = findHome(context.environment);
    const listen = readPort(args);
    const lock = () => lockHome(home);
    const { fd: lockFd } = await takeHome(lock, "NEWEL_E_KERNEL_RUNNING", args.has("wait"));
    const { executeFrugally } = await import("../../kernel/frugal.ts");
    const { daemonProgram } = await import("../../base/runtime.ts");
    const program = await daemonProgram(home, "kernel/main");
    executeFrugally(home, lockFd, program, "port" in listen ? ["--port", String(listen.port)] : []);
    const { runKernel } = await import("../../kernel/daemon.ts");
    return (await runKernel({ home, lockFd, ...listen })) === 0 ? EXIT.done : EXIT.failed;
  },
};

function readPort(args: Arguments): { readonly port?: number } {
  const text = args.text("port");
  return text === undefined ? {} : { port: parsePort(text, 0) };
}

/** Replaces the running kernel by this very build. */
async function upgradeKernel(context: Context): Promise<ExitCode> {
  const { stageBuild } = await import("../../base/runtime.ts");
  const { moveKernel } = await import("../move-daemons.ts");
  const home = findHome(context.environment);
  // Without a kernel there is nothing to copy.
  await (await connectKernel({ home, autostart: false })).close();
  const build = await stageBuild(home, false);
  try {
    await moveKernel(context, build);
    build.activate();
  } finally {
    build.release();
  }
  return showStatus(context, false);
}

async function showStatus(context: Context, autostart: boolean): Promise<ExitCode> {
  const { output, environment } = context;
  const client = await connectKernel({ home: findHome(environment), autostart });
  try {
    const status = await client.status();
    if (output.json) output.printDocument(status);
    else for (const line of formatStatus(status)) output.print(line);
    return EXIT.done;
  } finally {
    await client.close();
  }
}

const RECOVERY: Readonly<Record<KernelStatus["recovery"]["level"], string>> = {
  held: "the next one gets the sockets from systemd or the supervisor",
  taken: "the next one takes the sockets from the processes that serve them",
  bound: "processes go on serving; the next one binds the sockets again for those to come",
};

const RETURNS: Readonly<Record<SocketReturn, string>> = {
  passed: "was passed on to this kernel",
  taken: "was taken from a process that serves it",
  bound: "was bound again",
  waiting: "is served by the processes that have it; bound again for the next",
  lost: "is lost; see the notices",
};

/** A kernel's status in a few lines. */
export function formatStatus(status: KernelStatus): string[] {
  const { version, pid, uptimeMs, home, counts, memoryBytes, recovery, notices } = status;
  const holds = [
    counted(counts.processes, "process", "processes"),
    counted(counts.sockets, "socket"),
    counted(counts.values, "value"),
    counted(counts.claims, "claim"),
  ].join(", ");
  return [
    `kernel ${version} (pid ${pid}) in ${home}, up ${formatDuration(uptimeMs)}, ${formatSize(memoryBytes)}`,
    `holds ${holds}`,
    `if it is killed: ${RECOVERY[recovery.level]}`,
    ...Object.entries(recovery.sockets).map(([name, how]) => `socket ${name}: ${RETURNS[how]}`),
    ...notices.map((notice) => `notice: ${notice}`),
  ];
}
