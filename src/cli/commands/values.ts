import { newelError } from "../../base/errors.ts";
import { usageError } from "../arguments.ts";
import type { Command, Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { plain } from "../output/output.ts";
import { findKernel, reachKernel } from "../reach.ts";

/** Values that newel keeps for itself: they have environments of services in them. */
const OWN = /^newel\//;

const VERBS = ["ls", "get", "set", "rm"] as const;

export const values: Command = {
  name: "values",
  summary: "List, print, set or remove values in newel's kernel",
  usage: "[ls [NAME…] | get NAME | set NAME VALUE | rm NAME]",
  words: { max: Infinity },
  options: {},
  examples: [
    { line: "newel values", does: "the names of all values" },
    { line: "newel values set feature/new-cart on", does: "store a value; it survives a reboot" },
    { line: "newel values get feature/new-cart", does: "print the value" },
  ],
  notes: [
    "Values are texts that services share by a kernel client. Those whose name begins with newel/ belong to newel itself: they are not listed, and cannot be printed or changed here.",
  ],
  async run({ words }, context) {
    const [verb = "ls", ...rest] = words;
    const [name, value, ...more] = rest;
    if (verb === "ls") return list(rest, context);
    if (!VERBS.some((each) => each === verb))
      throw usageError(`"${verb}" is nothing that values does. There are ${VERBS.join(", ")}.`);
    if (name === undefined) throw usageError(`Which value? newel values ${verb} NAME`);
    if (OWN.test(name)) throw usageError(`${name} belongs to newel itself.`);
    if (verb === "set") {
      if (value === undefined || more.length > 0)
        throw usageError("set takes a name and one value: newel values set NAME VALUE");
      return set(name, value, context);
    }
    if (value !== undefined) throw usageError(`${verb} takes one name: newel values ${verb} NAME`);
    return verb === "get" ? get(name, context) : remove(name, context);
  },
};

async function list(patterns: readonly string[], context: Context): Promise<ExitCode> {
  const { output } = context;
  const kernel = await findKernel(context);
  const all = (await kernel?.values.list(...patterns)) ?? [];
  await kernel?.close();
  const own = all.filter(({ name }) => !OWN.test(name));
  if (output.json) output.printDocument(own);
  else for (const { name } of own) output.print(plain(name));
  if (own.length === 0) output.say("The kernel keeps no value here.");
  return EXIT.done;
}

async function get(name: string, context: Context): Promise<ExitCode> {
  const kernel = await findKernel(context);
  const value = await kernel?.values.get(name);
  await kernel?.close();
  if (value === undefined) throw newelError("NEWEL_E_NOT_FOUND", { noun: "value", name });
  if (context.output.json) context.output.printDocument({ name, value });
  else context.output.print(value);
  return EXIT.done;
}

async function set(name: string, value: string, context: Context): Promise<ExitCode> {
  const kernel = await reachKernel(context);
  await kernel.values.set(name, value);
  await kernel.close();
  if (context.output.json) context.output.printDocument({ name, value });
  return EXIT.done;
}

async function remove(name: string, context: Context): Promise<ExitCode> {
  const kernel = await findKernel(context);
  const value = await kernel?.values.get(name);
  if (value !== undefined) await kernel?.values.remove(name);
  await kernel?.close();
  if (value === undefined) throw newelError("NEWEL_E_NOT_FOUND", { noun: "value", name });
  if (context.output.json) context.output.printDocument({ name, removed: true });
  return EXIT.done;
}
