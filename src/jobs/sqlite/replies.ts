import { isNewelError } from "../../base/errors.ts";
import { storeError } from "./database-errors.ts";
import type { Outcome, Request } from "./group.ts";
import type { ReplyMessage } from "./messages.ts";

/** The answer to a call of the main thread. */
export function reply(number: number, outcome: Outcome | undefined): ReplyMessage {
  if (outcome === undefined) return [number, false, { message: "no outcome" }];
  if ("value" in outcome) return [number, true, outcome.value];
  const { error } = outcome;
  if (isNewelError(error)) return [number, false, error.toJSON()];
  return [number, false, storeError(error, "").toJSON()];
}

/** Whether an answer contains a job that was taken. */
export function handsOver({ operation }: Request, [, ok, value]: ReplyMessage): boolean {
  if (!ok || typeof value !== "object" || value === null) return false;
  if (operation === "takeJob") return "job" in value;
  return "next" in value && value.next !== undefined;
}
