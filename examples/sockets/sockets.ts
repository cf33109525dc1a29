// A socket, a server on it and a receiver, left in the care of the kernel.
//
//   node examples/sockets/sockets.ts        makes them, lists them and leaves
//   node examples/sockets/sockets.ts        finds them all, reads their output until then
//   node examples/sockets/sockets.ts stop   ends them
//
// (In a project of your own the import is from "newel/kernel".)
import { fileURLToPath } from "node:url";

import { connect, type KernelClient, type OutputPosition } from "../../src/kernel/index.ts";

const PROGRAMS = { server: program("server.ts"), receiver: program("receiver.ts") };
const ENV = { PATH: process.env["PATH"] ?? "" };

await using kernel = await connect();
const found = await kernel.processes.list("example.*");
if (process.argv[2] === "stop") await stop(kernel);
else if (found.length === 0) await make(kernel);
else for (const { name } of found) await read(kernel, name);

/** Everything is there when this returns, and nothing of it needs this program any more. */
async function make(kernel: KernelClient): Promise<void> {
  await kernel.sockets.make({ name: "example.web" });
  await kernel.processes.make({
    name: "example.server",
    args: [process.execPath, PROGRAMS.server, "$(socket.example.web.fileno)"],
    env: ENV,
  });
  // Connections wait in the socket's queue until the server has come up: no need to wait here.
  await kernel.processes.make({
    name: "example.receiver",
    args: [process.execPath, PROGRAMS.receiver, "$(socket.example.web.port)"],
    env: ENV,
  });
  for (const { name, port } of await kernel.sockets.list("example.*"))
    console.log(`made ${name} on port ${port}`);
  for (const { name, pid } of await kernel.processes.list("example.*"))
    console.log(`made ${name} with pid ${pid}`);
}

/** Prints the output of a process since the last time; a process that ended then leaves the list. */
async function read(kernel: KernelClient, name: string): Promise<void> {
  // The state for the next run is a value: the kernel keeps it after the end of this program.
  const mark = `${name}.read`;
  const position: { -readonly [Stream in keyof OutputPosition]: number } = {
    out: 0,
    err: 0,
    ...(JSON.parse((await kernel.values.get(mark)) ?? "{}") as Partial<OutputPosition>),
  };
  const [before] = await kernel.processes.list(name);
  console.log(`found ${name} with pid ${before?.pid}, ${before?.running ? "running" : "ended"}`);
  for await (const piece of kernel.processes.watch(name, { from: position, follow: false })) {
    if ("ended" in piece) continue;
    if (piece.gap > 0) console.log(`${piece.gap} bytes of ${name} are lost: its buffer was full`);
    process.stdout.write(piece.data);
    position[piece.stream] = piece.offset + piece.data.length;
  }
  if (before?.closed !== true) await kernel.values.set(mark, JSON.stringify(position));
  else {
    await kernel.processes.remove(name);
    await kernel.values.set(mark, undefined);
  }
}

async function stop(kernel: KernelClient): Promise<void> {
  for (const { name, running } of await kernel.processes.list("example.*")) {
    if (running) await kernel.processes.signal(name, "TERM", "tree");
    await kernel.processes.remove(name);
  }
  await kernel.sockets.remove("example.*");
  await kernel.values.remove("example.*");
  console.log("stopped");
}

function program(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
