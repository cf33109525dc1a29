import { newelError } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { refuseOlderCaller } from "../../base/runtime.ts";
import { layoutOf } from "../../deploy/layout.ts";
import { readReleases } from "../../deploy/records.ts";
import { connectKernel } from "../../kernel/client/client.ts";
import { usageError } from "../arguments.ts";
import type { Command } from "../command.ts";
import { appOf, follow, isKept, logBytes, refuseSecond, settle, startProcess } from "../deploys.ts";

export const rollback: Command = {
  name: "rollback",
  summary: "Switch an app back to a release that was live",
  usage: "[RELEASE] [--app NAME]",
  words: { max: 1 },
  options: {
    app: { value: "NAME", summary: "the app (default: the one configured here or above)" },
  },
  examples: [
    { line: "newel rollback", does: "switch back to the release that was live before" },
    { line: "newel rollback 12", does: "switch back to release 12" },
  ],
  async run(args, context) {
    const home = findHome(context.environment);
    refuseOlderCaller(home);
    const app = await appOf(args.text("app"), context);
    const layout = layoutOf(home, app);
    await settle(app, context);
    const release = choose(args.words[0]);
    const kernel = await connectKernel({ home });
    try {
      await refuseSecond(kernel, app);
      const from = logBytes(layout, release.number);
      await startProcess(kernel, layout, release, context, "rollback");
      return await follow(kernel, layout, release, context, from);
    } finally {
      await kernel.close();
    }

    function choose(word: string | undefined) {
      const former = readReleases(layout).filter(
        (each) => each.state === "former" && isKept(layout, each),
      );
      const number = word === undefined ? undefined : Number(word);
      if (number !== undefined && !Number.isInteger(number))
        throw usageError(`${word} is not the number of a release.`);
      const chosen =
        number === undefined
          ? former.toSorted((a, b) => (a.liveMs ?? 0) - (b.liveMs ?? 0)).at(-1)
          : former.find((each) => each.number === number);
      if (chosen === undefined)
        throw newelError("NEWEL_E_DEPLOY_NO_RELEASE", { app, number: number ?? "before" });
      return chosen;
    }
  },
};
