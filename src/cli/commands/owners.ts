import { newelError } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { matches } from "../../base/names.ts";
import { listOwners, releaseOwner, type OwnerView, type Released } from "../../singleton/owners.ts";
import { usageError } from "../arguments.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { formatOwners } from "../output/owners.ts";

export const owners: Command = {
  name: "owners",
  summary: "List singletons with their owner, its age and its load",
  usage: "[NAME… | release NAME] [--force]",
  words: { max: Infinity },
  options: {
    force: {
      summary:
        "with release: take the singleton without asking its owner; kill an owner that hangs",
    },
  },
  examples: [
    { line: "newel owners", does: "every singleton of this home" },
    { line: 'newel owners "room/*" --json', does: "the singletons of all rooms, for programs" },
    { line: "newel owners release counter", does: "let another process take over" },
    { line: "newel owners release counter --force", does: "even if the owner hangs" },
  ],
  notes: [
    "Without --force the owner finishes its calls and saves its state first. After --force the writes of the old owner are discarded; an owner by socket or port is killed, because its address cannot be taken from it.",
  ],
  async run(args, context) {
    const [verb, ...names] = args.words;
    if (verb === "release") return release(names, args, context);
    if (args.has("force"))
      throw usageError("--force goes with release: newel owners release NAME --force");
    return list(args.words, context);
  },
};

async function list(names: readonly string[], context: Context): Promise<ExitCode> {
  const { output, environment } = context;
  const all = await listOwners(findHome(environment));
  const shown =
    names.length === 0 ? all : all.filter(({ id }) => names.some((name) => matches(name, id)));
  if (output.json) output.printDocument(shown.map(toDocument));
  else if (shown.length > 0)
    for (const line of formatOwners(shown, output, Date.now())) output.print(line);
  else output.say("No singleton has an owner here.");
  const [missing] = names.filter(
    (name) => !name.endsWith("*") && !all.some(({ id }) => id === name),
  );
  if (missing !== undefined) throw newelError("NEWEL_E_NO_SINGLETON", { name: missing });
  return EXIT.done;
}

function toDocument({ info, ...owner }: OwnerView): object {
  return { ...owner, ...info };
}

async function release(
  names: readonly string[],
  args: Arguments,
  { output, environment }: Context,
): Promise<ExitCode> {
  const [name, ...others] = names;
  if (name === undefined || others.length > 0)
    throw usageError("release takes one name: newel owners release NAME");
  const released = await releaseOwner(findHome(environment), name, args.has("force"));
  if (output.json) output.printDocument(released);
  else output.print(describe(released));
  return EXIT.done;
}

function describe({ id, pid, epoch, how }: Released): string {
  const what = {
    asked: `pid ${pid} gave it up`,
    taken: `it was taken from pid ${pid}`,
    killed: `pid ${pid} was killed`,
  }[how];
  return `${id}: ${what} (epoch ${epoch})`;
}
