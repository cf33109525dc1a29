import { formatMetrics } from "../../supervisor/metrics/exposition.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { withSupervisor } from "../reach.ts";

export const metrics: Command = {
  name: "metrics",
  summary: "Print the metrics of apps as Prometheus text",
  usage: "[APP…] [--openmetrics]",
  words: { max: Infinity },
  options: {
    openmetrics: { summary: "print OpenMetrics 1.0 instead of Prometheus' text format 0.0.4" },
  },
  examples: [
    { line: "newel metrics", does: "every app, the kernel and the supervisor" },
    { line: "newel metrics shop > shop.prom", does: "for the textfile collector of node_exporter" },
  ],
  notes: [
    '`metrics: { prometheus: "127.0.0.1:9464" }` in the configuration serves the same at /metrics. The delays of event loops are those since the reading before, and missing in the first one.',
  ],
  async run(args, context) {
    const { words } = args;
    const { output } = context;
    return withSupervisor(context, async (supervisor) => {
      const families = await supervisor.metrics(words.length === 0 ? {} : { apps: words });
      if (output.json) output.printDocument(families);
      else
        output.stdout.write(
          formatMetrics(families, args.has("openmetrics") ? "openmetrics" : "prometheus"),
        );
      return EXIT.done;
    });
  },
};
