import type { Command, Context } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { look, type WhyLook } from "../why/look.ts";
import { formatDiagnosis } from "../why/render.ts";

export const why: Command = {
  name: "why",
  summary: "Explain what is wrong and name the command that fixes it",
  usage: "[SERVICE…] [--app NAME]",
  words: { max: Infinity },
  options: { app: { value: "NAME", summary: "the app (default: every app of the home)" } },
  examples: [
    { line: "newel why", does: "every service with a problem; exit code 0 if there is none" },
    { line: "newel why web", does: "the state of web, or its last failure if it works now" },
    { line: "newel why --json", does: "for programs" },
  ],
  notes: [
    "It starts nothing, and works while no supervisor runs. Exit code 0: every service that it was asked about is as it should be (ready, completed, or stopped by an operator); 3: some are not, or no supervisor runs.",
  ],
  async run(args, context) {
    const found = await look(args, context);
    print(found, context);
    return found.ok ? EXIT.done : EXIT.notRunning;
  },
};

function print({ ok, diagnoses, problems, notes }: WhyLook, context: Context): void {
  const { output, cwd } = context;
  if (output.json) {
    output.printDocument({ ok, problems, notes, services: diagnoses });
    return;
  }
  for (const [index, diagnosis] of diagnoses.entries()) {
    if (index > 0) output.print("");
    for (const line of formatDiagnosis(diagnosis, { output, cwd, nowMs: Date.now() }))
      output.print(line);
  }
  for (const { what, fix } of problems)
    output.say(fix === undefined ? what : `${what}\n  fix  ${fix}`);
  for (const note of notes) output.say(note);
  if (ok && diagnoses.length === 0) output.say("Every service is as it should be.");
}
