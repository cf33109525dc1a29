import { messageOf } from "../../base/errors.ts";
import type { Answer } from "../commands/command.ts";
import { oneLine } from "../commands/lines.ts";
import { COMMANDS } from "../commands/table.ts";
import { parseText } from "../commands/text.ts";
import { ConnectionClaims } from "./claims.ts";
import { toCoded } from "./coded.ts";
import type { Connection } from "./connection.ts";
import { type Mode, type ModeContext, TextEvents, TextWatch } from "./modes.ts";
import type { ServerContext } from "./server-context.ts";

const PROMPT = "> ";

/** papa's rendering: one command a line, answered with lines and the prompt. */
export class TextSession {
  readonly #context: ServerContext;
  readonly #connection: Connection;
  readonly #claims: ConnectionClaims;
  #mode: Mode | undefined;
  #answered: Promise<void> | undefined;

  constructor(context: ServerContext, connection: Connection) {
    this.#context = context;
    this.#connection = connection;
    this.#claims = new ConnectionClaims(context.kernel);
  }

  greet(): void {
    const { version } = this.#context;
    this.#connection.write(`newel kernel ${version}. Type "help" for help.\n${PROMPT}`);
  }

  /** Resolves when the line before has its reply; `undefined` when it has it already. */
  get answered(): Promise<void> | undefined {
    return this.#answered;
  }

  line(text: string): void {
    if (this.#mode !== undefined) this.#mode.line(text);
    else if (/^ *$/.test(text)) this.#connection.write(PROMPT);
    else this.#run(text);
  }

  close(): void {
    this.#mode?.close();
    this.#mode = undefined;
    this.#claims.close();
  }

  refuse(error: unknown): void {
    const { message } = toCoded(error, this.#context.fault);
    this.#say(`Error: ${oneLine(message)}`);
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
        if (answer.synced === true) this.#sayOnceSynced(answer.text());
        else this.#say(...answer.text());
        return;
      case "watch":
        this.#connection.write(`${answer.first.text().join("\n")}\n`);
        this.#enter(new TextWatch(this.#modeContext(), answer.names));
        return;
      case "events":
        this.#enter(new TextEvents(this.#modeContext(), answer.since));
        return;
      case "claim":
        this.#claim(answer.name);
        return;
      case "release":
        this.#release(answer.name);
        return;
      case "hold":
      case "unwatch":
        this.#say();
        return;
      case "upgrade":
        this.#context.upgrade(answer).then(
          ({ version }) => this.#say(`Upgrading to ${version}`),
          (error: unknown) => this.#say(`Error: ${oneLine(messageOf(error))}`),
        );
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

  /** The next line is served afterwards, so that replies keep their order. */
  #sayOnceSynced(lines: readonly string[]): void {
    this.#answered = this.#context.kernel.values
      .synced()
      .then(
        () => this.#say(...lines),
        (error: unknown) => this.refuse(error),
      )
      .finally(() => {
        this.#answered = undefined;
      });
  }

  /** Asks for a claim: it is granted at once, or the session waits until `q` gives up. */
  #claim(name: string): void {
    const held = this.#claims.epochOf(name);
    if (held !== undefined) {
      this.#say(`${name} epoch=${held}`);
      return;
    }
    let granted = false;
    this.#claims.ask(name, { pid: this.#connection.peerPid ?? process.pid }, (epoch) => {
      granted = true;
      this.#mode = undefined;
      this.#say(`${name} epoch=${epoch}`);
    });
    if (granted) return;
    this.#connection.write(`Waiting for ${name}, q gives up\n`);
    this.#enter({
      begin: () => undefined,
      line: (text) => {
        if (text.trim() === "") return;
        if (!"quit".startsWith(text.trim())) {
          this.#connection.write("Error: Waiting for a claim: q gives up\n");
          return;
        }
        this.#mode = undefined;
        this.#claims.release(name);
        this.#say("Stopped waiting");
      },
      close: () => undefined,
    });
  }

  #release(name: string): void {
    if (this.#claims.release(name)) this.#say();
    else
      this.#say(
        `Error: This connection has no claim ${name}; release ${name} --force takes it from its holder`,
      );
  }

  #enter(mode: Mode): void {
    this.#mode = mode;
    mode.begin();
  }

  #modeContext(): ModeContext {
    return {
      kernel: this.#context.kernel,
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

  /** Sends a complete reply. A reply without lines is an empty line, so that the prompt starts a line. */
  #say(...lines: readonly string[]): void {
    this.#connection.write(`${lines.join("\n")}\n${PROMPT}`);
  }
}
