import type { Job } from "bullmq";

import type { AnyQueue, World } from "./world.ts";

export const child = (queueName: string, data: unknown, opts = {}): object => ({
  name: "child",
  queueName,
  data,
  opts,
});

/** A parent with children in another queue. */
export async function addFamily(
  world: World,
  children: readonly [data: unknown, opts?: object][],
  opts: object = {},
): Promise<{
  parent: Job;
  children: Job[];
  parents: AnyQueue;
  childQueue: AnyQueue;
  kids: string;
}> {
  const kids = world.other();
  const parents = world.queue();
  const childQueue = world.queue({}, kids);
  const tree = await world.flow().add({
    name: "parent",
    queueName: world.name,
    data: {},
    opts,
    children: children.map(([data, some]) => child(kids, data, some)),
  } as never);
  return {
    parent: tree.job,
    children: (tree.children ?? []).map(({ job }) => job),
    parents,
    childQueue,
    kids,
  };
}

/** A top job with a child, which has children itself; both generations below are in the queue `kids`. */
export async function addThreeGenerations(
  world: World,
  middle: object,
  lowest: readonly object[],
): Promise<{ top: Job; queue: AnyQueue; kids: string }> {
  const kids = world.other();
  const queue = world.queue();
  const { job } = await world.flow().add({
    name: "top",
    queueName: world.name,
    children: [
      {
        name: "middle",
        queueName: kids,
        ...middle,
        children: lowest.map((each) => ({ name: "lowest", queueName: kids, ...each })),
      },
    ],
  });
  return { top: job, queue, kids };
}

/** A worker whose handler fails. */
export function failingWorker(world: World, name: string): void {
  world.worker(
    async () => {
      throw new Error("child failed");
    },
    {},
    name,
  );
}
