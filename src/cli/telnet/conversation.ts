import type { Socket } from "node:net";
import { StringDecoder } from "node:string_decoder";

import { hasCode } from "../../base/errors.ts";
import type { Command } from "../../kernel/commands/command.ts";
import { findCommand } from "../../kernel/commands/resolve.ts";
import { COMMANDS } from "../../kernel/commands/table.ts";
import { splitWords } from "../../kernel/commands/text.ts";

/** What the kernel waits for: the next command, or that a batch of output is acknowledged. */
export type Wants = "command" | "acknowledgement";

/** The user of a conversation: a prompt or a script. */
export interface Speaker {
  /** A line of the kernel. An error comes with the line it answers. */
  hear(line: string, refused?: string): void;
  /** The kernel waits. */
  asked(wants: Wants): void;
}

/** Commands after which the kernel hangs up. */
const FAREWELLS = new Set(["quit", "exit-if-idle"]);
/** The beginning of the kernel's answer when a claim is not free. */
const WAITING = "Waiting for ";

const PROMPT = "> ";
const END_OF_BATCH = "] ";

/**
 * The client's end of a text session: cuts received text into lines and prompts, and sends one command
 * at a time, so that each answer is distinct from the next.
 */
export class Conversation {
  readonly #socket: Socket;
  readonly #speaker: Speaker;
  readonly #decoder = new StringDecoder("utf8");
  readonly #waiting: string[] = [];
  readonly #ended = Promise.withResolvers<boolean>();
  #tail = "";
  /** `greeting` until the first prompt; `endless` while an answer continues until `q`. */
  #state: "greeting" | "ready" | "answering" | "endless" = "greeting";
  /** The command that is being answered, and what it means. */
  #last = "";
  #command: Command | undefined;
  /** Whether the next line is the first of an answer, where an error stands. */
  #first = false;
  #leaving = false;
  /** No more lines will be sent. */
  #done = false;

  constructor(socket: Socket, speaker: Speaker) {
    this.#socket = socket;
    this.#speaker = speaker;
    socket.on("data", (chunk: Buffer) => this.#receive(this.#decoder.write(chunk)));
    // How a connection breaks does not matter to a person: it ended.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#ended.resolve(this.#leaving));
  }

  /** Resolves when the connection has ended, with whether the end was requested. */
  get ended(): Promise<boolean> {
    return this.#ended.promise;
  }

  /** Whether the running command continues until `q`. */
  get endless(): boolean {
    return this.#state === "endless";
  }

  /** Sends a line after the answer to the last one, or when a batch of output is to be acknowledged. */
  say(line: string): void {
    this.#waiting.push(line);
    this.#next();
  }

  /** Sends a line to the running command. */
  interject(line: string): void {
    const word = line.trim();
    if (word !== "" && "quit".startsWith(word)) this.#state = "answering";
    this.#socket.write(`${line}\n`);
  }

  /** No more lines follow; lines already sent are still answered. */
  finish(): void {
    this.#done = true;
    this.#next();
  }

  /** Ends the conversation now. */
  leave(): void {
    this.#leaving = true;
    this.#socket.end();
  }

  #next(): void {
    while (this.#state === "ready") {
      const line = this.#waiting.shift();
      if (line === undefined) {
        if (this.#done) this.leave();
        return;
      }
      this.#send(line);
    }
    // A command without batches is answered at once.
    while (this.#state === "endless" && !this.#watching) {
      const line = this.#waiting.shift();
      if (line === undefined) return;
      this.interject(line);
    }
  }

  #send(line: string): void {
    this.#socket.write(`${line}\n`);
    if (line.startsWith("{")) {
      // A program's request: its answer has no prompt, and needs none.
      this.#speaker.asked("command");
      return;
    }
    this.#last = line;
    this.#first = true;
    this.#command = commandOf(line);
    this.#state = this.#command?.words[0] === "events" ? "endless" : "answering";
    if (FAREWELLS.has(this.#command?.words[0] ?? "")) this.#leaving = true;
  }

  get #watching(): boolean {
    const verb = this.#command?.words[0];
    return verb === "watch" || (verb === "make" && /\bwatch=/.test(this.#last));
  }

  #receive(text: string): void {
    const lines = (this.#tail + text).split("\n");
    this.#tail = lines.pop() ?? "";
    for (const line of lines) this.#hear(line);
    if (this.#tail === PROMPT && this.#state !== "ready") {
      this.#tail = "";
      this.#state = "ready";
      this.#leaving = false;
      if (this.#waiting.length === 0) this.#speaker.asked("command");
      this.#next();
    } else if (this.#tail === END_OF_BATCH && this.#state === "endless") {
      this.#tail = "";
      this.#speaker.asked("acknowledgement");
      const line = this.#waiting.shift();
      if (line !== undefined) this.interject(line);
      else if (this.#done) this.leave();
    }
  }

  #hear(line: string): void {
    if (!this.#first || line.startsWith('{"id"')) {
      this.#speaker.hear(line);
      return;
    }
    this.#first = false;
    if (line.startsWith("Error: ")) {
      this.#speaker.hear(line, this.#last);
      return;
    }
    if (this.#watching || line.startsWith(WAITING)) this.#state = "endless";
    // A command that has nothing to say answers an empty line.
    if (line !== "") this.#speaker.hear(line);
  }
}

/** The command a line means; `undefined` when it means none. */
export function commandOf(line: string): Command | undefined {
  try {
    return findCommand(COMMANDS, splitWords(line)).command;
  } catch (error) {
    if (hasCode(error, "NEWEL_E_COMMAND") || hasCode(error, "NEWEL_E_LIMIT")) return undefined;
    throw error;
  }
}
