import { hasCode } from "../../src/base/errors.ts";
import type * as KernelModule from "../../src/kernel/index.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import { FRUGAL_ARGS } from "../../src/kernel/frugal-args.ts";
import { eventually, startProcess, temporaryDirectory } from "../../test/helpers/resources.ts";
import type { Ends } from "../../test/load/scope.ts";
import { distProgram, fromDist } from "../prepare.ts";

/** A kernel from dist/, as a separate process. */
export interface BenchKernel {
  readonly pid: number;
  readonly client: KernelClient;
  /** Ends its processes, then the kernel. */
  end(): Promise<void>;
}

/** @param nodeArgs - for Node itself: a preload that watches it */
export async function startKernel(
  scope: Ends,
  nodeArgs: readonly string[] = [],
): Promise<BenchKernel> {
  const { connect, homeAt } = await fromDist<typeof KernelModule>("kernel/index");
  const home = homeAt(temporaryDirectory(scope));
  // As a client starts it.
  const args = [...FRUGAL_ARGS, ...nodeArgs, distProgram("kernel/main"), "--home", home.directory];
  const child = startProcess(scope, process.execPath, args, { stdio: ["ignore", "ignore", 2] });
  const { pid } = child;
  if (pid === undefined) throw new Error("the kernel did not start");
  const client = await eventually(
    () =>
      connect({ home, autostart: false }).catch((error: unknown): undefined => {
        if (!hasCode(error, "NEWEL_E_KERNEL_UNREACHABLE")) throw error;
        return undefined;
      }),
    "the kernel serves",
  );
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    for (const { name, running } of await client.processes.list())
      if (running) await client.processes.signal(name, "KILL", "tree");
    await client.close();
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  };
  scope.after(end);
  return { pid, client, end };
}

/** Resolves when a process has ended and its output is all kept. */
export async function runToEnd(
  client: KernelClient,
  request: Parameters<KernelClient["processes"]["make"]>[0],
): Promise<void> {
  const stop = new AbortController();
  const { lastEvent } = await client.status();
  await client.processes.make(request);
  for await (const { type, name } of client.events({ since: lastEvent, signal: stop.signal })) {
    if (name === request.name && type === "closed") break;
  }
  stop.abort();
}
