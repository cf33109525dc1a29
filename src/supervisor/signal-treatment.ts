import { constants } from "node:os";
import { basename } from "node:path";

import type { ProcessDetail } from "../kernel/process-api.ts";

/**
 * The treatment of a signal by a process:
 *
 * - `handles`: it catches the signal, or blocks it and waits for it (sigwait, signalfd);
 * - `default`: the signal ends it;
 * - `ignores`: the signal has no effect;
 * - `passes`: it is a known wrapper that only waits for the program below it.
 */
export type Treatment = "handles" | "default" | "ignores" | "passes";

const { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGKILL } = constants.signals;

const SHELLS = new Set(
  "sh dash bash ash zsh ksh ksh93 mksh pdksh yash fish rbash busybox".split(" "),
);
/**
 * Programs that wait for one child. Some pass on some signals, some kill their child a few seconds
 * later (tsx within 60 ms, so that a drain would be cut), and timeout sends each signal twice (to the child and to its
 * group); so none gets it.
 */
const PASSING_PROGRAMS = new Set(
  "npm npx yarn yarnpkg pnpm pnpx timeout su runuser uv uvx".split(" "),
);
const PASSING_SCRIPTS =
  /(^|\/)((npm|npx|yarn|yarnpkg|pnpm|pnpx|npm-cli|npx-cli|yarn-[\d.]+)(\.c?js|\.mjs)?|tsx|tsx\/dist\/cli\.[cm]js)$/;
/** Options of Node.js whose value may be the next word. */
const WITH_VALUE =
  /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file|--env-file-if-exists|--title)$/;
/** npm sets its title, which takes the place of its arguments. */
const PASSING_TITLE = /^(npm|npx|yarn|pnpm)( |$)/;

/** @param detail - `undefined`: it could not be read */
export function treatmentOf(detail: ProcessDetail | undefined, signal: number): Treatment {
  if (detail === undefined || signal === SIGKILL) return "default";
  const isShellHere = isShell(detail);
  if (isShellHere && hasTrap(detail, signal)) return "handles";
  if (isSet(detail.ignored, signal)) return "ignores";
  if (isShellHere) return mayGoOn(detail.args) ? "default" : "passes";
  if (isPassing(detail)) return "passes";
  return isSet(detail.caught, signal) || isSet(detail.blocked, signal) ? "handles" : "default";
}

/** Whether a set of signals, as /proc/PID/status prints it, contains this signal. */
function isSet(mask: string, signal: number): boolean {
  return ((BigInt(`0x${mask === "" ? "0" : mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

export function isShell({ program, args }: ProcessDetail): boolean {
  if (!SHELLS.has(program)) return false;
  return program !== "busybox" || /^-?(sh|ash|hush)$/.test(basename(args[0] ?? ""));
}

/**
 * Whether the script set a trap for the signal. Shells catch SIGINT without one, and bash with a trap
 * on EXIT catches every signal that would end it, to run that trap and end.
 */
function hasTrap({ caught, program }: ProcessDetail, signal: number): boolean {
  if (!isSet(caught, signal)) return false;
  const catches = (...signals: number[]): boolean => signals.every((each) => isSet(caught, each));
  if (program === "bash" && catches(SIGHUP, SIGTERM, SIGUSR1, SIGUSR2)) return false;
  return signal !== SIGINT || catches(SIGTERM) || catches(SIGQUIT) || catches(SIGHUP);
}

/**
 * Whether a shell may start another command once the present one has ended: a script, or a command
 * line with a list. It is not read as a shell would: a `;` within quotes counts as well.
 */
export function mayGoOn(args: readonly string[]): boolean {
  const line = commandLine(args);
  if (line === undefined) return true;
  const rest = line.replace(/&&|[<>]&|&>/g, " ");
  return /[;\n`({&]|\|\|/.test(rest);
}

/** The text behind `-c`; `undefined` when the shell runs a script. */
function commandLine(args: readonly string[]): string | undefined {
  for (let at = 1; at < args.length; at += 1) {
    const word = args[at] ?? "";
    if (/^-[a-z]*c[a-z]*$/i.test(word)) return args[at + 1];
    // `-o pipefail` takes the next word.
    if (/^[-+][a-z]*o$/i.test(word)) at += 1;
    else if (!/^[-+]/.test(word)) return undefined;
  }
  return undefined;
}

function isPassing({ program, args }: ProcessDetail): boolean {
  const [title = "", ...words] = args;
  if (PASSING_PROGRAMS.has(program)) return true;
  if (program === "busybox" && basename(title) === "timeout") return true;
  if (!/^(node|nodejs|bun|deno)$/.test(program)) return false;
  if (PASSING_TITLE.test(title)) return true;
  const at = words.findIndex(
    (word, index) => !word.startsWith("-") && !WITH_VALUE.test(words[index - 1] ?? ""),
  );
  const script = words[at];
  const options = at === -1 ? words : words.slice(0, at);
  // `node --run start` waits for the script of package.json.
  return options.includes("--run") || PASSING_SCRIPTS.test(script ?? "");
}
