import { findSupervisor } from "../reach.ts";
import { usageError } from "../arguments.ts";
import { COMMON_OPTIONS, type Command, type Context } from "../command.ts";
import { isNewelError } from "../../base/errors.ts";
import { EXIT } from "../exit-codes.ts";
import { commandNames, loadCommand, splitName } from "../table.ts";

/** How long the supervisor may take to name its services, in milliseconds: a shell waits for it. */
const ANSWER_MS = 1_000;

/** The scripts of the shells: each asks newel itself for the words, so that they fit the version that runs. */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_newel() {
  local IFS=$'\\n'
  COMPREPLY=($(newel completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _newel newel`,
  zsh: `#compdef newel
_newel() {
  local -a words_found
  words_found=("\${(@f)$(newel completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if (( \${#words_found[@]} )) && [[ -n "\${words_found[1]}" ]]; then
    compadd -Q -- "\${words_found[@]}"
  else
    _files
  fi
}
compdef _newel newel`,
  fish: `function __newel_words
  set -l typed (commandline -opc) (commandline -ct)
  newel completion words -- $typed[2..-1] 2>/dev/null
end
complete -c newel -a '(__newel_words)'`,
};

export const completion: Command = {
  name: "completion",
  summary: "Print the completion script of a shell",
  usage: "bash | zsh | fish",
  words: { min: 1, max: Infinity },
  options: {},
  examples: [
    { line: "source <(newel completion bash)", does: "in ~/.bashrc" },
    { line: "source <(newel completion zsh)", does: "in ~/.zshrc, after compinit" },
    {
      line: "newel completion fish > ~/.config/fish/completions/newel.fish",
      does: "once",
    },
  ],
  notes: [
    "It completes commands, options, and the names and tags of services that are up. Nothing is started for it.",
  ],
  async run({ words: [shell = "", ...typed] }, context) {
    if (shell === "words") {
      for (const word of await candidates(typed, context)) context.output.print(word);
      return EXIT.done;
    }
    const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
    if (script === undefined || typed.length > 0)
      throw usageError(`Which shell? newel completion ${Object.keys(SCRIPTS).join(" | ")}`);
    context.output.print(script);
    return EXIT.done;
  },
};

/** The words that may stand at the end of a command line; the last one is the beginning that was typed. */
async function candidates(typed: readonly string[], context: Context): Promise<string[]> {
  const before = typed.slice(0, -1);
  const part = typed.at(-1) ?? "";
  const fitting = (words: readonly string[]): string[] =>
    [...new Set(words)].filter((word) => word.startsWith(part)).sort();
  if (before.length === 0) return fitting(commandNames().map((name) => name.split(" ")[0] ?? ""));
  const seconds = commandNames().filter((name) => name.startsWith(`${before[0]} `));
  if (before.length === 1 && seconds.length > 0)
    return fitting(seconds.map((name) => name.split(" ")[1] ?? ""));
  const { name } = splitName(before);
  if (name === "help") return fitting(commandNames());
  if (name === "completion") return fitting(Object.keys(SCRIPTS));
  let command: Command;
  try {
    command = await loadCommand(name);
  } catch (error) {
    if (!isNewelError(error)) throw error;
    return [];
  }
  if (part.startsWith("-")) {
    const options = Object.entries({ ...command.options, ...COMMON_OPTIONS });
    return fitting(options.flatMap(([long, { hidden }]) => (hidden === true ? [] : [`--${long}`])));
  }
  if (!/SERVICE/.test(command.usage)) return [];
  return fitting(await serviceWords(context, name === "scale"));
}

/** Names and tags of the services that are up. */
async function serviceWords(context: Context, isScale: boolean): Promise<string[]> {
  try {
    const connection = await findSupervisor(context, { greetingMs: ANSWER_MS });
    if (connection === undefined) return [];
    const services = await connection.remote.with({ timeoutMs: ANSWER_MS }).list({ names: [] });
    await connection.close();
    if (isScale) return services.map(({ name }) => `${name}=`);
    return services.flatMap(({ name, tags = [] }) => [name, ...tags.map((tag) => `@${tag}`)]);
  } catch (error) {
    // A shell shows no error while a word is completed.
    if (!isNewelError(error)) throw error;
    return [];
  }
}
