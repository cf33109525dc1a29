import { homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { look } from "../../src/kernel/proc.ts";
import { eventually } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";

/** Ends the kernel of a home, if one runs, and every process that it started. */
export async function endKernelOf(directory: string): Promise<void> {
  let kernel;
  try {
    kernel = await connectKernel({ home: homeAt(directory), autostart: false });
  } catch {
    // No kernel runs.
    return;
  }
  const { pid } = await kernel.status();
  for (const { name, running } of await kernel.processes.list())
    if (running) await kernel.processes.signal(name, "KILL", "tree");
  // A live process that needs a kernel would start the next one.
  await eventually(
    async () => (await kernel.processes.list()).every(({ running }) => !running),
    "its processes have ended",
  );
  await kernel.close();
  sendSignal(pid, "SIGKILL");
  // The thread that started it may have ended without waiting for it.
  await eventually(() => (look(pid)?.state ?? "Z") === "Z", "the kernel has ended");
}
