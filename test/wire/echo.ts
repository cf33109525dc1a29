import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { defineContract, type Contract } from "../../src/wire/contract.ts";
import { connectUnix, serveUnix } from "../../src/wire/unix.ts";

interface Echo {
  echo(value: unknown): Promise<unknown>;
}

const ECHO: Contract<Echo> = defineContract<Echo>()({
  name: "echo",
  version: 1,
  calls: ["echo"],
  streams: [],
});

/** Returns a function that sends a value over a socket and back. */
export async function overWire(
  use: (echo: (value: unknown) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "newel-echo-"));
  try {
    const path = join(directory, "echo.sock");
    await using _server = await serveUnix(path, ECHO, { echo: async (value) => value });
    await using connection = await connectUnix(path, ECHO);
    await use((value) => connection.remote.echo(value));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
