// Soak: a service exceeds the limit of a memory cgroup, and `newel why` names the end for lack of memory.
// `node test/soak/out-of-memory.ts`, as root. It is not a test of `npm test`, because a container runtime that notices
// an out-of-memory kill below its own cgroup reports the whole container as out of memory and ends it.
// The cgroup is therefore made at the root of the hierarchy.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { World } from "../cli/world.ts";
import { eventually } from "../helpers/resources.ts";

const LIMIT_BYTES = 60_000_000;
const ROOTS = [
  { directory: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes" },
  { directory: "/sys/fs/cgroup", limit: "memory.max" },
] as const;

interface Why {
  readonly services: readonly {
    readonly state: string;
    readonly cause: string;
    readonly what: string;
    readonly lines: readonly string[];
  }[];
}

const root = ROOTS.find(({ directory }) => existsSync(join(directory, "cgroup.procs")));
assert.ok(root, "there is no memory cgroup hierarchy below /sys/fs/cgroup");
const group = join(root.directory, `newel-why-${process.pid}`);
mkdirSync(group);
try {
  writeFileSync(join(group, root.limit), String(LIMIT_BYTES));
  const ends: (() => void | Promise<void>)[] = [];
  const world = new World({ after: (end) => void ends.push(end) });
  try {
    const run = `echo $$ > ${group}/cgroup.procs; echo eats; exec node -e 'const a = []; for (;;) a.push(Buffer.alloc(1e6, 1))'`;
    const hungry = { run, restart: "never", ready: { after: "10ms" } };
    world.configure({ name: "shop", services: { hungry } });
    await world.newel("up");
    const found = await eventually(
      async () => {
        const [service] = (await world.json<Why>("why", "hungry")).services;
        return service?.state === "failed" ? service : undefined;
      },
      "hungry has failed",
      60_000,
    );
    assert.match(found.what, /SIGKILL/);
    assert.deepEqual(found.lines, ["eats"]);
    assert.equal(found.cause, "out of memory", JSON.stringify(found));
    console.log(found.what);
  } finally {
    // In this order, because the daemons end before their home is removed.
    for (const end of ends) await end();
  }
} finally {
  rmdirSync(group);
}
