import type { SupervisorEvent } from "../../supervisor/api.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { plain } from "../output/output.ts";
import { reachSupervisor } from "../reach.ts";

export const events: Command = {
  name: "events",
  summary: "Print every change of a service's state as it happens",
  usage: "",
  options: {},
  examples: [{ line: "newel events --json", does: "one JSON object in each line" }],
  async run(_args, context) {
    const { output } = context;
    const connection = await reachSupervisor(context);
    try {
      for await (const event of connection.remote.events()) {
        if (output.json) output.printObject(event);
        else output.print(formatEvent(event));
        await output.drained();
      }
      return EXIT.done;
    } finally {
      await connection.close();
    }
  },
};

/** `2026-01-02T03:04:05.678Z shop/web running, ready`. */
export function formatEvent(event: SupervisorEvent): string {
  const { timeMs, app, service, process, state, ready, why, note } = event;
  if (note !== undefined)
    return `${new Date(timeMs).toISOString()} ${app}/${service}: ${plain(note)}`;
  const time = new Date(timeMs).toISOString();
  const name = process ?? service;
  return `${time} ${app}/${name} ${state}${ready ? ", ready" : ""}${why === undefined ? "" : `: ${plain(why)}`}`;
}
