import { constants } from "node:os";

import { newelError } from "../../base/errors.ts";
import { APP_OPTION, type Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { plain } from "../output/output.ts";
import { chooseTarget } from "../here.ts";
import { withSupervisor } from "../reach.ts";

export const signal: Command = {
  name: "signal",
  summary: "Send a signal to the processes of services",
  usage: "SIGNAL SERVICE… [--group] [--app NAME]",
  words: { min: 2, max: Infinity },
  options: {
    group: { summary: "send the signal to the process group of each process" },
    ...APP_OPTION,
  },
  examples: [
    { line: "newel signal HUP web", does: "SIGHUP to every process of web" },
    { line: "newel signal SIGUSR2 web.1", does: "SIGUSR2 to one process" },
  ],
  async run(args, context) {
    const [word = "", ...names] = args.words;
    const name = signalName(word);
    return withSupervisor(context, async (supervisor) => {
      const target = await chooseTarget({ ...args, words: names }, context, supervisor, "none");
      const reached = await supervisor.signal(target, name, args.has("group"));
      const { output } = context;
      if (output.json) output.printDocument({ signal: name, signalled: reached });
      else for (const { pid, command } of reached) output.print(`${pid} ${plain(command)}`);
      if (reached.length === 0) output.say("No process runs: no signal was sent.");
      return reached.length === 0 ? EXIT.notRunning : EXIT.done;
    });
  },
};

/**
 * `HUP`, `hup`, `SIGHUP` and `1` are one signal.
 *
 * @throws NEWEL_E_BUS_SIGNAL
 */
export function signalName(word: string): string {
  const upper = word.toUpperCase();
  const found = Object.entries(constants.signals).find(
    ([name, number]) => name === upper || name === `SIG${upper}` || String(number) === word,
  );
  if (found === undefined) throw newelError("NEWEL_E_BUS_SIGNAL", { signal: word });
  return found[0];
}
