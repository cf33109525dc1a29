import type { Socket } from "node:net";
import {
  clearScreenDown,
  createInterface,
  cursorTo,
  type Interface,
  moveCursor,
} from "node:readline";
import { callbackify } from "node:util";

import { messageOf } from "../../base/errors.ts";
import { closest } from "../../base/names.ts";
import { title } from "../../kernel/commands/command.ts";
import { COMMANDS } from "../../kernel/commands/table.ts";
import type { Output } from "../output/output.ts";
import { complete, type NamesOf } from "./completion.ts";
import { commandOf, Conversation, type Speaker, type Wants } from "./conversation.ts";
import type { History } from "./history.ts";

const PROMPTS: Readonly<Record<Wants, string>> = {
  command: "> ",
  acknowledgement: "] Enter continues, q stops: ",
};

export interface PromptParts {
  readonly socket: Socket;
  readonly input: NodeJS.ReadableStream;
  readonly output: Output;
  readonly namesOf: NamesOf;
  /** The history of lines; missing: none is kept. */
  readonly history: History | undefined;
}

/**
 * Talks with the kernel at a terminal: editing, history, completion. Lines that come while one is
 * being typed stand above it.
 *
 * @returns whether the end was asked for
 */
export async function talkAtPrompt(parts: PromptParts): Promise<boolean> {
  const prompt = new Prompt(parts);
  return prompt.run();
}

/** The words that may stand there, and the beginning of them that was typed. */
type Completion = [string[], string];

class Prompt implements Speaker {
  readonly #parts: PromptParts;
  readonly #conversation: Conversation;
  readonly #lines: Interface;
  #greeted = false;

  constructor(parts: PromptParts) {
    const { input, output, history, socket } = parts;
    this.#parts = parts;
    this.#lines = createInterface({
      input,
      output: output.stdout,
      terminal: true,
      prompt: "",
      history: history?.load() ?? [],
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: Error | null, found: Completion) => void) =>
        callbackify(() => this.#complete(line))(done),
    });
    this.#conversation = new Conversation(socket, this);
  }

  /** Runs until the connection ends; the result is whether the end was requested. */
  async run(): Promise<boolean> {
    this.#lines.on("line", (line) => this.#typed(line));
    this.#lines.on("SIGINT", () => this.#interrupted());
    this.#lines.on("close", () => this.#conversation.leave());
    const finished = await this.#conversation.ended;
    this.#clear();
    this.#lines.close();
    return finished;
  }

  hear(line: string, refused?: string): void {
    const { output } = this.#parts;
    if (refused === undefined) this.#show(line);
    else {
      this.#show(output.style("red", line));
      this.#show(output.style("dim", hint(refused)));
    }
  }

  asked(wants: Wants): void {
    if (!this.#greeted) {
      this.#greeted = true;
      this.#show(this.#parts.output.style("dim", "Tab completes, Ctrl-D leaves."));
    }
    this.#clear();
    this.#lines.setPrompt(PROMPTS[wants]);
    this.#lines.prompt(true);
  }

  #typed(line: string): void {
    const { endless } = this.#conversation;
    if (!endless) this.#parts.history?.add(line);
    if (line.trim() === "" && !endless) {
      this.#lines.prompt();
      return;
    }
    this.#lines.setPrompt("");
    if (endless) this.#conversation.interject(line);
    else this.#conversation.say(line);
  }

  #interrupted(): void {
    if (this.#conversation.endless) this.#conversation.interject("q");
    else if (this.#lines.line === "") this.#show("Ctrl-D or quit leaves; processes keep running.");
    else {
      this.#lines.write(null, { ctrl: true, name: "e" });
      this.#lines.write(null, { ctrl: true, name: "u" });
    }
  }

  async #complete(line: string): Promise<Completion> {
    try {
      return await complete(line, this.#parts.namesOf);
    } catch (error) {
      this.#show(this.#parts.output.style("dim", messageOf(error)));
      return [[], line];
    }
  }

  /** A line above what is being typed. */
  #show(line: string): void {
    this.#clear();
    this.#parts.output.print(line);
    if (this.#lines.getPrompt() !== "" || this.#lines.line !== "") this.#lines.prompt(true);
  }

  #clear(): void {
    const { stdout } = this.#parts.output;
    moveCursor(stdout, 0, -this.#lines.getCursorPos().rows);
    cursorTo(stdout, 0);
    clearScreenDown(stdout);
  }
}

/** What to type after a refusal. */
function hint(refused: string): string {
  const command = commandOf(refused);
  if (command !== undefined) return `Type "help ${title(command)}" to see how.`;
  const [first = ""] = refused.trim().split(" ");
  const words = COMMANDS.filter(({ jsonOnly }) => !jsonOnly).map(({ words }) => words[0]);
  if (words.some((word) => word.startsWith(first))) return `Type "help ${first}" to see how.`;
  const near = closest(first, words);
  return near === undefined
    ? 'Type "help" for the commands.'
    : `Did you mean "${near}"? Type "help" for the commands.`;
}
