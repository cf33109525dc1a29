import { appendFileSync } from "node:fs";

import { findHome } from "../../base/home.ts";
import { Deploy } from "../../deploy/deploy.ts";
import { layoutOf, logPath } from "../../deploy/layout.ts";
import { parseRelease } from "../../deploy/records.ts";
import { connectKernel } from "../../kernel/client/client.ts";
import { usageError } from "../arguments.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { printError } from "../output/errors.ts";
import { reachSupervisor } from "../reach.ts";

/** The process of the kernel that carries out a deploy. */
export const deployStep: Command = {
  name: "deploy-step",
  summary: "Carry out a deploy that `newel deploy` or `newel rollback` has prepared",
  usage: "deploy|rollback RECORD",
  words: { min: 2, max: 2 },
  options: {},
  examples: [],
  async run({ words }, context) {
    const [verb, text = ""] = words;
    const release = parseRelease(text);
    if (release === undefined || (verb !== "deploy" && verb !== "rollback"))
      throw usageError("This command is run by newel deploy.");
    const { environment, output } = context;
    const home = findHome(environment);
    const log = logPath(layoutOf(home, release.app), release.number);
    const print = (text: string): void => {
      process.stdout.write(text);
      appendFileSync(log, text, { mode: 0o600 });
    };
    const cancelled = new AbortController();
    const cancel = (): void => cancelled.abort();
    process.on("SIGTERM", cancel).on("SIGINT", cancel);
    const kernel = await connectKernel({ home });
    const connection = await reachSupervisor(context);
    try {
      const { remote: supervisor } = connection;
      const { signal } = cancelled;
      const deploy = new Deploy(release, {
        home,
        kernel,
        supervisor,
        environment,
        signal,
        print,
      });
      await (verb === "deploy" ? deploy.run() : deploy.rollBack());
      return EXIT.done;
    } catch (error) {
      printError(output, error, environment);
      appendFileSync(log, `${error instanceof Error ? error.message : String(error)}\n`);
      return EXIT.failed;
    } finally {
      process.off("SIGTERM", cancel).off("SIGINT", cancel);
      await connection.close();
      await kernel.close();
    }
  },
};
