import type { Home } from "../base/home.ts";
import { hasCode } from "../base/errors.ts";
import { connectKernel } from "../kernel/client/client.ts";
import { parseStoredApp } from "./app.ts";
import { appValueName } from "./process-names.ts";

/**
 * Reads the state that a supervisor of this build would continue from: every app that the kernel keeps. Nothing is started
 * or changed.
 *
 * @throws NEWEL_E_CONFIG_STORED when one of them cannot be read
 */
export async function rehearse(home: Home): Promise<void> {
  // The other modules of the supervisor have to load too.
  await import("./daemon.ts");
  try {
    const kernel = await connectKernel({ home, autostart: false });
    try {
      for (const { value } of await kernel.values.list(appValueName("*"))) parseStoredApp(value, 0);
    } finally {
      await kernel.close();
    }
  } catch (error) {
    // Without a kernel there is nothing to read.
    if (!hasCode(error, "NEWEL_E_KERNEL_UNREACHABLE")) throw error;
  }
}
