import type { ScaleRequest } from "../../supervisor/api.ts";
import { usageError } from "../arguments.ts";
import { APP_OPTION, type Command, TIMEOUT_OPTION } from "../command.ts";
import { chooseTarget } from "../here.ts";
import { perform } from "./service-verb.ts";

/** A larger number is taken for a typing error. */
const MOST_REPLICAS = 10_000;

export const scale: Command = {
  name: "scale",
  summary: "Set how many processes a service has",
  usage: "SERVICE=N… [--app NAME] [--timeout TIME]",
  words: { min: 1, max: Infinity },
  options: { ...APP_OPTION, ...TIMEOUT_OPTION },
  examples: [
    { line: "newel scale web=3", does: "three processes" },
    { line: "newel scale web=+1 worker=-1", does: "one process more, one process less" },
  ],
  notes: ["The number holds until the next `newel up`, which applies the configuration again."],
  async run(args, context) {
    const requests = readRequests(args.words);
    return perform(args, context, async (supervisor) => {
      const { app } = await chooseTarget(args, context, supervisor, "count");
      return supervisor.scale(requests, app);
    });
  },
};

/**
 * `web=3`, `web=+1`, and `web 3` as other tools have it.
 *
 * @throws NEWEL_E_USAGE
 */
export function readRequests(words: readonly string[]): ScaleRequest[] {
  const [first = "", second = ""] = words;
  const isPair = words.length === 2 && !first.includes("=") && /^[+-]?\d+$/.test(second);
  return (isPair ? [`${first}=${second}`] : words).map(readRequest);
}

function readRequest(word: string): ScaleRequest {
  const match = /^(.+)=([+-]?)(\d+)$/.exec(word);
  if (match === null)
    throw usageError(`"${word}" does not say how many: write web=3, web=+1 or web=-1.`);
  const [, service = "", sign, digits] = match;
  const amount = Number(digits);
  if (amount > MOST_REPLICAS)
    throw usageError(`"${word}" asks for more than ${MOST_REPLICAS} processes.`);
  return { service, replicas: sign === "-" ? -amount : amount, relative: sign !== "" };
}
