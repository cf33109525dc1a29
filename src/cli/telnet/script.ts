import type { Socket } from "node:net";
import { createInterface } from "node:readline";

import type { Output } from "../output/output.ts";
import { Conversation } from "./conversation.ts";

/**
 * Sends every line of the input to the kernel, each after the answer to the one before, and prints
 * the answers only: no greeting, no prompts.
 *
 * @returns whether the end was asked for or the input's, and whether a line was refused
 */
export async function talkByScript(
  socket: Socket,
  input: NodeJS.ReadableStream,
  output: Output,
): Promise<{ readonly finished: boolean; readonly refused: boolean }> {
  let greeted = false;
  let refused = false;
  const conversation = new Conversation(socket, {
    hear: (line, refusedLine) => {
      if (refusedLine !== undefined) refused = true;
      if (refusedLine !== undefined) output.say(line);
      else if (greeted) output.print(line);
      greeted = true;
    },
    asked: () => undefined,
  });
  const lines = createInterface({ input });
  lines.on("line", (line) => conversation.say(line));
  lines.on("close", () => conversation.finish());
  const finished = await conversation.ended;
  lines.close();
  return { finished, refused };
}
