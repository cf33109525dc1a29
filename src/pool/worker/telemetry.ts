import type { WorkerSetup } from "../protocol.ts";

/** Runs a task in the context that arrived with it. */
export type TaskTelemetry = (context: string, run: () => unknown) => unknown;

/** The worker's side of the OpenTelemetry context, if the API package is installed. */
export async function joinTelemetry(_setup: WorkerSetup): Promise<TaskTelemetry | undefined> {
  const api = await import("@opentelemetry/api").catch(() => undefined);
  if (api === undefined) return undefined;
  return (context, run) => {
    const carrier = JSON.parse(context) as Record<string, string>;
    return api.context.with(api.propagation.extract(api.context.active(), carrier), run);
  };
}
