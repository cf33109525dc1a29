import { hasCode } from "../base/errors.ts";
import type { KernelClient } from "../kernel/client-api.ts";

/** A kernel that makes missing sockets before a process that needs them. */
export function withSockets(
  kernel: KernelClient,
  provide: (names: readonly string[]) => Promise<void>,
): KernelClient {
  const make: KernelClient["processes"]["make"] = async (request) => {
    try {
      return await kernel.processes.make(request);
    } catch (error) {
      if (!hasCode(error, "NEWEL_E_SOCKET_MISSING")) throw error;
      await provide(request.sockets ?? []);
      return kernel.processes.make(request);
    }
  };
  return { ...kernel, processes: { ...kernel.processes, make } };
}
