import { APP_OPTION, type Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { formatDetail } from "../output/detail.ts";
import { chooseTarget } from "../here.ts";
import { withSupervisor } from "../reach.ts";

export const show: Command = {
  name: "show",
  summary: "Show services in detail",
  usage: "SERVICE… [--app NAME]",
  words: { min: 1, max: Infinity },
  options: { ...APP_OPTION },
  examples: [{ line: "newel show web", does: "settings, processes, last exits, last lines" }],
  notes: ["The environment is shown by name only: values may be secret."],
  async run(args, context) {
    return withSupervisor(context, async (supervisor) => {
      const details = await supervisor.show(await chooseTarget(args, context, supervisor, "none"));
      const { output } = context;
      if (output.json) output.printDocument(details);
      else
        for (const [index, detail] of details.entries()) {
          if (index > 0) output.print("");
          for (const line of formatDetail(detail, output, Date.now())) output.print(line);
        }
      return EXIT.done;
    });
  },
};
