import assert from "node:assert/strict";
import { test } from "node:test";

import { SpanKind, SpanStatusCode } from "@opentelemetry/api";

import { eventually } from "../../helpers/resources.ts";
import { ended, makeWorld, startServer } from "./world.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

test("a run is a span of its producer's trace, and its log lines name run and attempt", async (scope) => {
  const world = makeWorld(scope);
  const queue = world.queue("default");
  const server = await startServer(scope, world, [], "traced-jobs");
  let output = "";
  for (const stream of [server.stdout, server.stderr])
    stream?.on("data", (text: Buffer) => (output += text.toString()));
  const trace = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
  const good = await queue.add("traced", { v: 1, trace, input: "good" });
  const bad = await queue.add("traced", { v: 1, trace, input: "fail" });
  await ended(queue, good);
  await ended(queue, bad);
  await eventually(() => output.match(/^SPAN /gm)?.length === 2, "two spans");
  const read = (word: string): Record<string, unknown>[] =>
    output
      .split("\n")
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => JSON.parse(line.slice(word.length + 1)) as Record<string, unknown>);
  const runs = [good, bad].map(({ id }) => `default~${id}`);
  assert.deepEqual(
    read("FIELDS").sort((a, b) => (String(a["job_id"]) < String(b["job_id"]) ? -1 : 1)),
    runs.map((run) => ({ job_id: run, attempt: 1, trace_id: TRACE })),
  );
  const spans = read("SPAN");
  const failed = spans.find((span) => span["exception"] !== undefined);
  for (const span of spans) {
    assert.equal(span["name"], "process default");
    assert.equal(span["kind"], SpanKind.CONSUMER);
    assert.equal(span["parent"], "b7ad6b7169203331");
  }
  assert.deepEqual(failed?.["status"], { code: SpanStatusCode.ERROR, message: "on purpose" });
  assert.equal(
    (failed?.["attributes"] as Record<string, unknown> | undefined)?.["messaging.message.id"],
    runs[1],
  );
  const prefix = `[${runs[0]} #1] `;
  await eventually(() => output.includes(`${prefix}later\n`), "a line after the handler's end");
  assert.ok(output.includes(`${prefix}two formatted\n${prefix}lines\n`), output);
});
