import { type Scope } from "../../helpers/resources.ts";
import { eventOf } from "../../helpers/kernel.ts";
import { type Served, serveTestKernel, Wire } from "./wire.ts";

/** A client at the prompt of a kernel in this process. */
export class Prompt {
  readonly served: Served;
  readonly wire: Wire;
  readonly #scope: Scope;

  private constructor(scope: Scope, served: Served, wire: Wire) {
    this.#scope = scope;
    this.served = served;
    this.wire = wire;
  }

  static async open(scope: Scope): Promise<Prompt> {
    const served = await serveTestKernel(scope);
    return new Prompt(scope, served, await connectTo(scope, served));
  }

  /** Another client. */
  another(): Promise<Wire> {
    return connectTo(this.#scope, this.served);
  }

  ask(line: string): Promise<string> {
    return this.wire.ask(line);
  }

  /** Resolves once a process has ended and its output is kept. */
  async isOver(name: string): Promise<void> {
    await eventOf(this.served.kernel, (event) => event.name === name && event.type === "closed");
  }

  /** All frames of an ended process, acknowledged. */
  async watchAll(name: string): Promise<string> {
    this.wire.send(`watch processes ${name}\n`);
    await this.wire.expect("Watching 1\n");
    const frames = await this.wire.until("] ");
    this.wire.send("\n");
    await this.wire.expect("Nothing left to watch\n> ");
    return frames;
  }

  /** Runs a shell program to its end and returns its stdout; options precede the command. */
  async outputOf(name: string, program: string, options = ""): Promise<string> {
    const words = program.replaceAll(" ", "\\ ");
    await this.ask(`make process ${name} ${options} /bin/sh -c ${words}`);
    await this.isOver(name);
    const frames = await this.watchAll(name);
    return [...frames.matchAll(/^out:\S+?:[\d.]+:\d+\n([^]*?)\n(?=out:|err:|closed:)/gm)]
      .map(([, text]) => text)
      .join("");
  }
}

function connectTo(scope: Scope, { server }: Served): Promise<Wire> {
  return Wire.open(scope, { port: server.port ?? 0, host: "127.0.0.1" });
}
