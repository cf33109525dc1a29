import assert from "node:assert/strict";

import type { Job } from "bullmq";

import type { Behaviour, World } from "./world.ts";

const ROUNDS = 30;
const DAY = 86_400_000;

type Make = (round: number) => Promise<readonly (string | undefined)[]>;

/**
 * Makes jobs in a way, and notes which of them a worker of the same process began or completed before the answer. The
 * worker waits for a job each time, so that it is woken by the call itself.
 */
async function early(world: World, make: Make, step: "began" | "completed"): Promise<string[]> {
  const known = new Set<string | undefined>();
  const before: string[] = [];
  let completed = 0;
  let made = 0;
  const note = ({ id = "" }: Job): void => void (known.has(id) || before.push(id));
  const worker = world.worker(async (job) => {
    if (step === "began") note(job);
  });
  worker.on("completed", (job) => {
    completed += 1;
    note(job);
  });
  await worker.waitUntilReady();
  for (let round = 0; round < ROUNDS; round += 1) {
    const ids = await make(round);
    for (const id of ids) known.add(id);
    made += ids.length;
    await world.until(() => completed === made, `${made} completed`);
  }
  return before;
}

/** The ways to make a job. */
const WAYS: Readonly<Record<string, (world: World) => Make>> = {
  add: (world) => {
    const queue = world.queue();
    return async () => [(await queue.add("n", {})).id];
  },
  addBulk: (world) => {
    const queue = world.queue();
    const jobs = [1, 2, 3].map((data) => ({ name: "n", data }));
    return async () => (await queue.addBulk(jobs)).map(({ id }) => id);
  },
  "add of a flow": (world) => {
    const flow = world.flow();
    const tree = { name: "parent", queueName: world.name };
    const child = { name: "child", queueName: world.name };
    return async () => {
      const { job, children = [] } = await flow.add({ ...tree, children: [child, child] });
      return [job.id, ...children.map((each) => each.job.id)];
    };
  },
  "upsert of a scheduler": (world) => {
    const queue = world.queue();
    return async (round) => [(await queue.upsertJobScheduler(`s${round}`, { every: DAY }))?.id];
  },
  promote: (world) => {
    const queue = world.queue();
    return async () => {
      const job = await queue.add("n", {}, { delay: DAY });
      await job.promote();
      return [job.id];
    };
  },
};

/** The answer of a call comes before the process learns of the job in another way. */
export const ANSWERING: readonly Behaviour[] = [
  [
    "add returns before a worker of the process reports the job as completed",
    async (world) => {
      const queue = world.queue();
      const add: Make = async () => [(await queue.add("n", {})).id];
      assert.deepEqual(await early(world, add, "completed"), []);
    },
  ],
];

/** The same for each way, and for the beginning of the handler, which on PostgreSQL may come before the answer. */
export const HANDING_OVER: readonly Behaviour[] = [
  ...Object.entries(WAYS).map(([name, way]): Behaviour => [
    `${name} returns before a worker of the process begins the job`,
    async (world) => assert.deepEqual(await early(world, way(world), "began"), []),
  ]),
  [
    "add returns before a busy worker of the process takes the job as its next one",
    async (world) => {
      const queue = world.queue();
      const known = new Set<string | undefined>();
      const before: string[] = [];
      let done = 0;
      world.worker(async (job) => {
        if (!known.has(job.id)) before.push(job.id ?? "");
        done += 1;
      });
      for (let n = 0; n < 200; n += 1) known.add((await queue.add("n", {})).id);
      await world.until(() => done === 200, "all ran");
      assert.deepEqual(before, []);
    },
  ],
];
