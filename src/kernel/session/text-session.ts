import { isNewelError, messageOf } from "../../base/errors.ts";
import type { Answer } from "../commands/command.ts";
import { oneLine } from "../commands/lines.ts";
import { COMMANDS } from "../commands/table.ts";
import { parseText } from "../commands/text.ts";
import type { Connection } from "./connection.ts";
import { type Mode, type ModeContext, TextEvents, TextWatch } from "./modes.ts";
import type { ServerContext } from "./server-context.ts";

export const PROMPT = "> ";

/** papa's rendering: one command a line, answered by lines and the prompt. */
export class TextSession {
  readonly #context: ServerContext;
  readonly #connection: Connection;
  /** Claims this connection waits for or holds, and how each is given up. */
  readonly #claims = new Map<string, () => void>();
  #mode: Mode | undefined;

  constructor(context: ServerContext, connection: Connection) {
    this.#context = context;
    this.#connection = connection;
  }

  greet(): void {
    const { version } = this.#context;
    this.#connection.write(`newel kernel ${version}. Type "help" for help.\n${PROMPT}`);
  }

  line(text: string): void {
    if (this.#mode !== undefined) this.#mode.line(text);
    else if (/^ *$/.test(text)) this.#connection.write(PROMPT);
    else this.#run(text);
  }

  close(): void {
    this.#mode?.close();
    this.#mode = undefined;
    for (const giveUp of this.#claims.values()) giveUp();
    this.#claims.clear();
  }

  /** Answers `Error: …`; what is no coded error is a fault of ours and goes to the log too. */
  refuse(error: unknown): void {
    if (!isNewelError(error)) this.#context.fault(error);
    this.#say(`Error: ${oneLine(messageOf(error))}`);
  }

  #run(text: string): void {
    try {
      const { command, input } = parseText(COMMANDS, text);
      this.#answer(command.execute(input, this.#context));
    } catch (error) {
      this.refuse(error);
    }
  }

  #answer(answer: Answer): void {
    switch (answer.kind) {
      case "reply":
        this.#say(...answer.text());
        return;
      case "watch":
        this.#connection.write(`${answer.first.text().join("\n")}\n`);
        this.#mode = new TextWatch(this.#modeContext(), answer.names);
        return;
      case "events":
        this.#mode = new TextEvents(this.#modeContext(), answer.since);
        return;
      case "claim":
        this.#claim(answer.name);
        return;
      case "release":
        this.#release(answer.name);
        return;
      case "unwatch":
        this.#say();
        return;
      case "quit":
        this.#connection.write("ok\n");
        this.#connection.end();
        return;
      case "exit":
        this.#say("Exiting when nobody is connected");
        this.#context.exitWhenUnused();
        this.#connection.end();
        return;
    }
  }

  /** Granted at once, or it waits: until then `q` gives up. */
  #claim(name: string): void {
    if (this.#claims.has(name)) {
      const epoch = this.#context.kernel.claims.list([name])[0]?.epoch;
      this.#say(`${name} epoch=${epoch ?? "unknown"}`);
      return;
    }
    let granted = false;
    const giveUp = this.#context.kernel.claims.ask(
      name,
      { pid: this.#context.peerPid(this.#connection) },
      (epoch) => {
        granted = true;
        this.#mode = undefined;
        this.#say(`${name} epoch=${epoch}`);
      },
    );
    this.#claims.set(name, giveUp);
    if (granted) return;
    this.#connection.write(`Waiting for ${name}, q gives up\n`);
    this.#mode = {
      line: (text) => {
        if (!"quit".startsWith(text.trim()) || text.trim() === "") return;
        this.#release(name);
        this.#mode = undefined;
      },
      close: () => undefined,
    };
  }

  #release(name: string): void {
    const giveUp = this.#claims.get(name);
    if (giveUp === undefined) {
      this.#say(
        `Error: This connection has no claim ${name}; release ${name} --force takes it from its holder`,
      );
      return;
    }
    this.#claims.delete(name);
    giveUp();
    this.#say();
  }

  #modeContext(): ModeContext {
    return {
      kernel: this.#context.kernel,
      readers: this.#context.readers,
      connection: this.#connection,
      leave: (lastLine) => {
        this.#mode = undefined;
        this.#say(lastLine);
      },
      failed: (error) => {
        this.#mode = undefined;
        this.refuse(error);
      },
    };
  }

  /** A complete reply. Saying nothing is an empty line, so that the prompt stands at a line's start. */
  #say(...lines: readonly string[]): void {
    this.#connection.write(`${lines.join("\n")}\n${PROMPT}`);
  }
}
