import { counted } from "../../base/counted.ts";
import { type Command, CONFIG_OPTION, PROFILE_OPTION } from "../command.ts";
import { checkConfiguration } from "../doctor/configuration.ts";
import { checkKernel, checkSupervisor } from "../doctor/daemons.ts";
import {
  checkClock,
  checkHome,
  checkPreload,
  checkStartup,
  checkVersions,
} from "../doctor/machine.ts";
import type { Finding } from "../doctor/types.ts";
import { EXIT } from "../exit-codes.ts";
import type { Output, Style } from "../output/output.ts";

const STYLES: Readonly<Record<Finding["state"], Style>> = {
  ok: "green",
  note: "cyan",
  problem: "red",
};

export const doctor: Command = {
  name: "doctor",
  summary: "Check the machine, the daemons and the configuration",
  usage: "[-c FILE] [--profile NAMES]",
  options: { ...CONFIG_OPTION, ...PROFILE_OPTION },
  examples: [
    { line: "newel doctor", does: "exit code 0 when there is no problem, 1 otherwise" },
    { line: "newel doctor --json", does: "for programs" },
  ],
  notes: [
    "It starts and changes nothing. Each check is ok, a note, or a problem with the step that solves it. `newel why` explains the state of services.",
  ],
  async run(args, context) {
    const { output } = context;
    const home = checkHome(context);
    // Without a usable home there are no daemons to ask.
    const isUsable = home.every(({ state }) => state !== "problem");
    const findings = [
      ...checkVersions(),
      ...home,
      ...(isUsable
        ? [
            ...(await checkKernel(context)),
            ...(await checkSupervisor(context)),
            ...checkPreload(context),
            ...checkClock(context),
          ]
        : []),
      ...checkStartup(context),
      ...(await checkConfiguration(args, context)),
    ];
    const problems = findings.filter(({ state }) => state === "problem");
    const ok = problems.length === 0;
    if (output.json) output.printDocument({ ok, checks: findings });
    else {
      for (const line of formatFindings(findings, output)) output.print(line);
      output.say(ok ? "No problem was found." : `${counted(problems.length, "problem")} found.`);
    }
    return ok ? EXIT.done : EXIT.failed;
  },
};

function formatFindings(findings: readonly Finding[], output: Output): string[] {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings.flatMap(({ check, state, what, fix }) => {
    const mark = output.style(STYLES[state], state.padEnd("problem".length));
    const [first = "", ...others] = what.split("\n");
    const indent = " ".repeat("problem".length + width + 4);
    return [
      `${mark}  ${check.padEnd(width)}  ${first}`,
      ...others.map((line) => indent + line),
      ...(fix === undefined ? [] : [`${indent}fix: ${fix}`]),
    ];
  });
}
