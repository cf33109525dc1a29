// The types of jobs come from their schemas and handlers. Compiled, never run.
import type { StandardSchemaV1 } from "@standard-schema/spec";
import * as v from "valibot";

import { type Flow, job, type JobDefinition, jobs, Jobs, type Run } from "../../src/jobs/index.ts";
import type { Equal } from "./expect.ts";

const schema = v.object({ file: v.string(), rows: v.optional(v.number(), 10) });
const read = job(
  "read",
  { input: schema, retries: 2, key: ({ file, rows }) => `${file}:${rows.toFixed()}` },
  async (input, ctx) => {
    void (true satisfies Equal<typeof input, { file: string; rows: number }>);
    const length = await ctx.step("length", () => input.file.length);
    void (true satisfies Equal<typeof length, number>);
    await ctx.progress(1, input.rows, "begun");
    ctx.signal.throwIfAborted();
    return { length };
  },
);

type Given = { file: string; rows?: number | undefined };
void (true satisfies Equal<typeof read, JobDefinition<typeof schema, { length: number }>>);

export async function enqueueing(): Promise<void> {
  const run = await read.enqueue({ file: "a" }, { by: 7, delay: "10m", priority: 1 });
  void (true satisfies Equal<typeof run, Run<Given, { length: number }>>);
  void (true satisfies Equal<typeof run.result, { length: number } | undefined>);
  const other = await new Jobs().enqueue(read, { file: "a", rows: 1 });
  void (true satisfies Equal<typeof other, typeof run>);
  await read.schedule("nightly", { cron: "0 3 * * *" }, { file: "a" });
  const unscheduled = await read.unschedule("nightly");
  void (true satisfies Equal<typeof unscheduled, boolean>);

  // @ts-expect-error the input is missing
  await read.enqueue();
  // @ts-expect-error a wrong type
  await read.enqueue({ file: 7 });
  // @ts-expect-error a missing field
  await read.enqueue({ rows: 7 });
  // @ts-expect-error a misspelt field
  await read.enqueue({ file: "a", row: 7 });
  // @ts-expect-error no such option
  await read.enqueue({ file: "a" }, { prio: 1 });
  // @ts-expect-error the input of a schedule
  await read.schedule("nightly", { cron: "0 3 * * *" }, { file: 7 });
  // @ts-expect-error the result has no such field
  void run.result?.rows;
  // @ts-expect-error what was enqueued elsewhere has no known result
  void (await jobs.get(run.id))?.result.length;
}

export async function withoutSchema(): Promise<void> {
  const tidy = job("tidy", {}, (input, { attempt, by }) => {
    void (true satisfies Equal<typeof input, unknown>);
    void (true satisfies Equal<typeof by, string | undefined>);
    return attempt;
  });
  const run = await tidy.enqueue();
  void (true satisfies Equal<typeof run, Run<unknown, number>>);
  await tidy.enqueue({ anything: true }, { key: "k" });
}

export async function flows(): Promise<void> {
  const tidy = job("tidy-flow", {}, () => undefined);
  const flow: Flow<typeof schema, { length: number }> = {
    job: read,
    input: { file: "a" },
    children: [{ job: tidy }, { job: read, input: { file: "b" }, options: { by: 1 } }],
  };
  const { run } = await jobs.flow(flow);
  void (true satisfies Equal<typeof run, Run<Given, { length: number }>>);
  // @ts-expect-error a wrong input
  await jobs.flow({ job: read, input: { file: 7 } });
  // @ts-expect-error runs of a flow have no keys
  await jobs.flow({ job: read, input: { file: "a" }, options: { key: "k" } });
}

// @ts-expect-error no such option
job("wrong", { retrys: 2 }, () => 1);
// @ts-expect-error the key is made of the input, which has no such field
job("wrong", { input: schema, key: (input) => input.name }, () => 1);
// @ts-expect-error the handler takes something else
job("wrong", { input: schema }, (input: { file: number }) => input);
// @ts-expect-error not a schema
job("wrong", { input: { file: "string" } }, () => 1);

export async function ofAnySchema(schema: StandardSchemaV1<{ a: string }, { a: number }>) {
  const made = job("made", { input: schema, group: ({ a }) => a.toFixed() }, ({ a }) => a * 2);
  const { result } = await made.enqueue({ a: "1" });
  void (true satisfies Equal<typeof result, number | undefined>);
  // @ts-expect-error what the handler gets is not what is given
  await made.enqueue({ a: 1 });
}
