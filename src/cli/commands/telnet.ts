import { once } from "node:events";
import { connect, type Socket } from "node:net";

import { messageOf, newelError } from "../../base/errors.ts";
import { findHome, type Home } from "../../base/home.ts";
import { connectKernel } from "../../kernel/client/client.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import { parsePort } from "../arguments.ts";
import type { Arguments, Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import type { Noun } from "../telnet/completion.ts";

export const telnet: Command = {
  name: "telnet",
  summary: "Send commands to newel's kernel, at a prompt",
  usage: "[--port N]",
  options: {
    port: { value: "N", summary: "connect to a kernel at this port of the loopback interface" },
  },
  examples: [
    { line: "newel telnet", does: "type `help` for the commands; Tab completes, Ctrl-D leaves" },
    { line: "echo list processes | newel telnet", does: "in a script: prints only the answers" },
  ],
  notes: [
    "The commands: docs/reference/kernel-protocol.md. Every word may be abbreviated: l p is list processes.",
  ],
  async run(args, { output, environment }) {
    const place = readPlace(args, environment);
    const socket = await open(place);
    const { stdin } = process;
    if (!stdin.isTTY || output.stdout.isTTY !== true) {
      const { talkByScript } = await import("../telnet/script.ts");
      const { finished, refused } = await talkByScript(socket, stdin, output);
      if (!finished) throw lost(place);
      return refused ? EXIT.failed : EXIT.done;
    }
    const [{ talkAtPrompt }, { History }] = await Promise.all([
      import("../telnet/prompt.ts"),
      import("../telnet/history.ts"),
    ]);
    const names = new Names(place);
    try {
      const history = "home" in place ? new History(place.home) : undefined;
      const namesOf = (noun: Noun): Promise<string[]> => names.of(noun);
      if (!(await talkAtPrompt({ socket, input: stdin, output, namesOf, history })))
        throw lost(place);
      return EXIT.done;
    } finally {
      await names.close();
    }
  },
};

type Place = { readonly home: Home } | { readonly port: number };

function readPlace(args: Arguments, environment: NodeJS.ProcessEnv): Place {
  const text = args.text("port");
  return text === undefined ? { home: findHome(environment) } : { port: parsePort(text, 1) };
}

/** A connection to the kernel; in a home without one, one is started. */
async function open(place: Place): Promise<Socket> {
  if ("home" in place) await (await connectKernel(place)).close();
  const socket = connect(
    "home" in place ? { path: place.home.kernelSocket } : { host: "127.0.0.1", port: place.port },
  );
  try {
    await once(socket, "connect");
    return socket;
  } catch (error) {
    throw newelError("NEWEL_E_KERNEL_UNREACHABLE", {
      path: shown(place),
      why: messageOf(error),
    });
  }
}

function lost(place: Place): Error {
  return newelError("NEWEL_E_CONNECTION_LOST", { peer: `the kernel at ${shown(place)}` });
}

function shown(place: Place): string {
  return "home" in place ? place.home.kernelSocket : `port ${place.port}`;
}

/** The names in the kernel, read over a second connection that opens with the first question. */
class Names {
  readonly #place: Place;
  #client: Promise<KernelClient> | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  async of(noun: Noun): Promise<string[]> {
    this.#client ??= connectKernel({ ...this.#place, autostart: false });
    const client = await this.#client;
    return (await client[noun].list()).map(({ name }) => name);
  }

  async close(): Promise<void> {
    await (await this.#client)?.close();
  }
}
