import { homeAt, type Home } from "../../src/base/home.ts";
import type { KernelEvent } from "../../src/kernel/api.ts";
import type { OutputChunk, ProcessRequest } from "../../src/kernel/process-api.ts";
import { type OpenKernel, openKernel } from "../../src/kernel/kernel.ts";
import { cleanUp, type Scope, temporaryDirectory } from "./resources.ts";

/**
 * A kernel inside the test's process. It reaps every child of the process, so a file that uses it must not
 * start processes through node:child_process.
 */
export function openTestKernel(scope: Scope): {
  kernel: OpenKernel;
  home: Home;
  notices: string[];
} {
  const home = homeAt(temporaryDirectory(scope));
  const notices: string[] = [];
  const kernel = openKernel(home, { version: "test", notice: (text) => notices.push(text) });
  cleanUp(scope, async () => {
    for (const { name, running } of kernel.processes.list()) {
      if (running) kernel.processes.signal(name, "KILL", "tree");
    }
    await kernel.close();
  });
  return { kernel, home, notices };
}

/** Resolves at the next matching event, or at once when a matching event is in the past. */
export function eventOf(
  kernel: OpenKernel,
  test: (event: KernelEvent) => boolean,
): Promise<KernelEvent> {
  const past = kernel.events.since(0).find(test);
  if (past !== undefined) return Promise.resolve(past);
  return new Promise((resolve) => {
    const off = kernel.events.onEvent((event) => {
      if (!test(event)) return;
      off();
      resolve(event);
    });
  });
}

/** Makes a process and waits until it has ended and all its output is kept. */
export async function runToEnd(
  kernel: OpenKernel,
  request: ProcessRequest,
): Promise<number | null> {
  kernel.processes.make({ env: { PATH: process.env["PATH"] ?? "" }, ...request });
  const { exitCode } = await eventOf(
    kernel,
    ({ name, type }) => name === request.name && type === "closed",
  );
  return exitCode ?? null;
}

/** Every kept piece of a process's output. */
export async function* outputOf(kernel: OpenKernel, name: string): AsyncIterable<OutputChunk> {
  const output = kernel.processes.output(name);
  const position = { out: 0, err: 0 };
  for (;;) {
    const chunk = await output.next(position, 256 << 10);
    if (chunk === undefined) return;
    position[chunk.stream] = chunk.offset + chunk.data.length;
    yield chunk;
  }
}
