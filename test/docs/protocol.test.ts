// The sessions of the protocol page, sent to a kernel as they are printed but for port and program.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { dirname } from "node:path";
import { test, type TestContext } from "node:test";

import { cleanUp, eventually, freePort } from "../helpers/resources.ts";
import { eventOf } from "../helpers/kernel.ts";
import { type Served, serveTestKernel } from "../kernel/session/wire.ts";
import { blocksOf } from "./pages.ts";

const BLOCKS = blocksOf("docs/reference/kernel-protocol.md");

function blockOf(beginning: string): string[] {
  const block = BLOCKS.find(({ code }) => code.startsWith(beginning));
  assert.ok(block, `the page has no block that begins with ${beginning}`);
  return block.code.trimEnd().split("\n");
}

/** A client of a kernel in this process: its requests, and all received lines. */
async function talkTo(
  t: TestContext,
): Promise<{ served: Served; send: (line: string) => void; received: () => string }> {
  const served = await serveTestKernel(t);
  const socket = connect(served.home.kernelSocket);
  cleanUp(t, () => void socket.destroy());
  let text = "";
  socket.on("data", (bytes: Buffer) => (text += bytes.toString()));
  return { served, send: (line) => void socket.write(`${line}\n`), received: () => text };
}

/** The text of the page without the values that differ between two kernels. */
function alike(text: string): string {
  return text
    .replace(/kernel \S+\. Type/, "kernel VERSION. Type")
    .replaceAll(/(pid|started|fileno)=[\d.]+/g, "$1=N")
    .replaceAll(/"(pid|timeMs)":\d+/g, '"$1":N');
}

test("the session at the prompt is answered as printed", async (t) => {
  const { send, received } = await talkTo(t);
  const port = String(await freePort());
  const printed = blockOf("$ telnet localhost")
    .slice(1)
    .map((line) =>
      line.replace("8080", port).replace("PATH=/usr/bin:/bin", `PATH=${dirname(process.execPath)}`),
    );
  for (const line of printed.filter((each) => each.startsWith("> "))) {
    await eventually(() => received().endsWith("> "), `a prompt before ${line}`);
    send(line.slice(2));
  }
  await eventually(() => received().endsWith("ok\n"), "the answer to q");
  const answers = printed.filter((line) => !line.startsWith("> ")).map(alike);
  assert.deepEqual(alike(received()).replaceAll("> ", "").trimEnd().split("\n"), answers);
});

/** The fields of a printed answer, without those that the page leaves out. */
function parsed(line: string): object {
  return JSON.parse(line.replace(", …}", "}").replace("{…}", "{}"));
}

test("the requests in JSON are answered as printed", async (t) => {
  const { send, received } = await talkTo(t);
  const lines = blockOf('{"id":1,"do"').map((line) =>
    line.replace('"PATH":"/usr/bin"', `"PATH":"${dirname(process.execPath)}"`).replace("/srv", "/"),
  );
  const before = (): number => received().split('"id":').length;
  for (const [index, line] of lines.entries()) {
    if (!line.includes('"do":')) continue;
    const count = before();
    send(line);
    await eventually(() => before() > count && received().endsWith("\n"), `an answer to ${line}`);
    const answer: unknown = JSON.parse(
      alike(
        received()
          .trimEnd()
          .split(/\n(?:> )?/)
          .at(-1) ?? "",
      ).replaceAll(":N", ":0"),
    );
    const printed = parsed(alike(lines[index + 1] ?? "").replaceAll(":N", ":0"));
    assert.partialDeepStrictEqual(answer, printed);
  }
});

test("output is sent as printed", async (t) => {
  const { served, send, received } = await talkTo(t);
  send('{"id":1,"do":"make process","name":"web","args":["/bin/echo","hello"]}');
  await eventOf(served.kernel, ({ name, type }) => name === "web" && type === "closed");
  send('{"id":3,"do":"watch processes","names":["web"]}');
  await eventually(() => received().endsWith('"done":true}\n'), "the end");
  const from = received().indexOf('{"id":3,"output"');
  assert.equal(
    alike(received().slice(from).trimEnd()),
    alike(blockOf('{"id":3,"output"').join("\n")),
  );
});
