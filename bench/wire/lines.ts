import type { Socket } from "node:net";

/** Calls `take` with each line that a socket brings: the framing of peers that bring none. */
export function onLine(socket: Socket, take: (line: string) => void): void {
  let rest = "";
  socket.setNoDelay(true);
  socket.setEncoding("utf8");
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
}

/** A transport as capnweb takes it. */
export interface LineTransport {
  send(message: string): Promise<void>;
  receive(): Promise<string>;
}

export function lineTransport(socket: Socket): LineTransport {
  const lines: string[] = [];
  let wanted: ((line: string) => void) | undefined;
  onLine(socket, (line) => {
    const take = wanted;
    wanted = undefined;
    if (take === undefined) lines.push(line);
    else take(line);
  });
  return {
    async send(message) {
      socket.write(`${message}\n`);
    },
    receive() {
      const line = lines.shift();
      if (line !== undefined) return Promise.resolve(line);
      return new Promise((resolve) => {
        wanted = resolve;
      });
    },
  };
}
