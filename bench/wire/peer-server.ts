import { createServer } from "node:net";
import { join } from "node:path";

import { peer } from "../bus/peers.ts";
import { lineTransport, onLine } from "./lines.ts";
import { GRPC_SERVICE, type Birpc, type CapnWeb, type Grpc } from "./peer-types.ts";

const add = (left: number, right: number): number => left + right;

/** Serves the same addition through the peers that are installed, each at its own socket. */
export async function servePeers(directory: string): Promise<void> {
  const capnweb = (await peer("capnweb")) as CapnWeb | undefined;
  if (capnweb !== undefined) {
    class Echo extends capnweb.RpcTarget {
      add(left: number, right: number): number {
        return add(left, right);
      }
    }
    const { RpcSession } = capnweb;
    createServer((socket) => void new RpcSession(lineTransport(socket), new Echo())).listen(
      join(directory, "capnweb.sock"),
    );
  }
  const birpc = (await peer("birpc")) as Birpc | undefined;
  if (birpc !== undefined)
    createServer((socket) => {
      birpc.createBirpc(
        { add },
        {
          post: (message) => void socket.write(`${JSON.stringify(message)}\n`),
          on: (take) => onLine(socket, (line) => take(JSON.parse(line))),
        },
      );
    }).listen(join(directory, "birpc.sock"));
  const grpc = (await peer("@grpc/grpc-js")) as Grpc | undefined;
  if (grpc !== undefined) await serveGrpc(grpc, join(directory, "grpc.sock"));
  process.on("message", ([left, right]: [number, number]) => process.send?.(add(left, right)));
}

function serveGrpc(grpc: Grpc, path: string): Promise<void> {
  const server = new grpc.Server();
  server.addService(GRPC_SERVICE, {
    Add: (
      call: { readonly request: readonly [number, number] },
      done: (error: null, answer: number) => void,
    ) => done(null, add(...call.request)),
  });
  return new Promise((resolve, reject) => {
    server.bindAsync(`unix:${path}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}
