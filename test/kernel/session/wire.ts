import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { after } from "node:test";

import type { Home } from "../../../src/base/home.ts";
import type { OpenKernel } from "../../../src/kernel/kernel.ts";
import { type KernelServer, serveKernel } from "../../../src/kernel/server.ts";
import { openTestKernel } from "../../helpers/kernel.ts";
import type { Scope } from "../../helpers/resources.ts";

const greeting = (version: string): string => `newel kernel ${version}. Type "help" for help.\n> `;

/** The same scope, but ended in reverse: the resource opened last is closed first. */
export function inReverse(scope: Scope): Scope {
  const ends: Parameters<Scope["after"]>[0][] = [];
  scope.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  return { after: (end) => void ends.push(end) };
}

/** A scope for resources that all tests of a file share. */
export function fileScope(): Scope {
  return inReverse({ after });
}

export interface Served {
  readonly kernel: OpenKernel;
  readonly home: Home;
  readonly server: KernelServer;
  /** Faults and refused clients that the server reported. */
  readonly logged: string[];
}

/** A kernel in this process with its server on a Unix socket and a TCP port. */
export async function serveTestKernel(scope: Scope): Promise<Served> {
  const { kernel, home } = openTestKernel(scope);
  const logged: string[] = [];
  const log = (text: string, error?: unknown): void =>
    void logged.push(`${text} ${error instanceof Error ? error.stack : ""}`);
  const server = await serveKernel({
    kernel,
    version: "test",
    path: home.kernelSocket,
    port: 0,
    upgrade: () => Promise.reject(new Error("a kernel in the test's own process stays")),
    log,
  });
  scope.after(() => server.close());
  return { kernel, home, server, logged };
}

/** A plain socket: the test writes the bytes, and compares the answer byte by byte. */
export class Wire {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #wake = (): void => undefined;
  ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    const end = (): void => {
      this.ended = true;
      this.#wake();
    };
    socket.on("end", end);
    socket.on("error", end);
    socket.on("close", end);
  }

  /** Connects and reads the greeting. */
  static async open(scope: Scope, to: NetConnectOpts, version = "test"): Promise<Wire> {
    const wire = await Wire.connect(scope, to);
    await wire.expect(greeting(version));
    return wire;
  }

  static async connect(scope: Scope, to: NetConnectOpts): Promise<Wire> {
    const socket = connect(to);
    scope.after(() => void socket.destroy());
    const wire = new Wire(socket);
    await once(socket, "connect");
    return wire;
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** Reads as many bytes as `text` has; they must be equal to it. */
  async expect(text: string): Promise<void> {
    const bytes = await this.take(Buffer.byteLength(text), text);
    assert.equal(bytes.toString(), text);
  }

  async take(count: number, wanted = ""): Promise<Buffer> {
    await this.#until(
      () => this.#received.length >= count,
      `${count} bytes ${JSON.stringify(wanted)}`,
    );
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  /** Reads everything up to the first `mark`, and the mark. */
  async until(mark: string): Promise<string> {
    await this.#until(() => this.#received.includes(mark), JSON.stringify(mark));
    return (await this.take(this.#received.indexOf(mark) + Buffer.byteLength(mark))).toString();
  }

  /** Sends a line; returns the reply up to the prompt, without the prompt. */
  async ask(line: string): Promise<string> {
    this.send(`${line}\n`);
    return (await this.until("\n> ")).slice(0, -3);
  }

  /** Sends a JSON request and returns the next message. */
  async json(request: unknown): Promise<Record<string, unknown>> {
    this.send(`${JSON.stringify(request)}\n`);
    return this.message();
  }

  async message(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.until("\n")) as Record<string, unknown>;
  }

  /** Waits for the server to close the connection; no more bytes may have arrived. */
  async expectEnd(): Promise<void> {
    await this.#until(() => this.ended, "the end");
    assert.equal(this.#received.toString(), "");
  }

  get unread(): number {
    return this.#received.length;
  }

  async #until(ready: () => boolean, what: string): Promise<void> {
    const end = performance.now() + 10_000;
    while (!ready()) {
      const left = end - performance.now();
      if (left <= 0 || (this.ended && !ready()))
        throw new Error(
          `${this.ended ? "the connection ended" : "timeout"} waiting for ${what}; received ${JSON.stringify(this.#received.toString().slice(0, 2_000))}`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
