import { once } from "node:events";
import net, { type Socket } from "node:net";

import { eventually, type Scope } from "../helpers/resources.ts";
import type { HeldSocket } from "./replica.ts";

/** A client that writes raw bytes and keeps all received bytes. */
export class RawClient {
  readonly socket: Socket;
  received = "";
  readonly ended: Promise<void>;
  isReset = false;

  constructor(scope: Scope, { port }: HeldSocket) {
    this.socket = net.connect({ port, host: "127.0.0.1" });
    this.socket.setEncoding("utf8").on("data", (text: string) => (this.received += text));
    this.socket.on("error", () => (this.isReset = true));
    this.ended = once(this.socket, "close").then(() => undefined);
    scope.after(() => void this.socket.destroy());
  }

  get(path: string, headers = ""): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`);
  }

  async has(text: string): Promise<void> {
    await eventually(() => this.received.includes(text), `${text} in ${this.received}`);
  }
}

/** An app with the routes of one test, and its action on the signal. */
export function app(routes: string, more = ""): string {
  return `
    import http from 'node:http';
    const server = http.createServer((request, response) => {
      const later = (ms, action) => setTimeout(action, ms);
      ${routes}
    });
    server.listen(Number(process.env.PORT));
    ${more}`;
}
