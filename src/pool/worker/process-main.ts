// The program of a worker process. Descriptor 3 is its connection to the pool, 4 its progress record.
import { Socket } from "node:net";

import { ReadBuffer, socketTransport } from "../../wire/transport.ts";
import { FileProgress } from "./progress-writer.ts";
import { startRunner } from "./runner.ts";

/** Ctrl-C and a service manager signal the whole group; the pool itself ends its workers. */
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

const readBuffer = new ReadBuffer();
const socket = new Socket({ fd: 3, readable: true, writable: true, onread: readBuffer.onread });

startRunner(socketTransport(socket, "the pool", readBuffer), {
  canClone: false,
  progress: new FileProgress(),
  async prepare(setup) {
    process.title = setup.title;
    if (process.env["NEWEL_POOL_PDEATHSIG"] === "1") {
      // For this process alone.
      delete process.env["NEWEL_POOL_PDEATHSIG"];
      const { dieWithParent } = await import("../../posix/process.ts");
      dieWithParent();
    }
  },
  exit: (code) => process.exit(code),
});
