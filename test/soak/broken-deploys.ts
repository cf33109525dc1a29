// Soak: broken and hit deploys under load. Each must leave the release of before in service, exit with another code
// than 0 and leave nothing behind: `node test/soak/broken-deploys.ts [--sources] [NAME...]`. A name is a part of the
// name of a trial. A line for each trial; exit code 1 on failure.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { World } from "../cli/world.ts";
import { blows, brokenVersions, LONG_TRIALS, perform, startNotFound } from "../deploy/trials.ts";
import { load, Repository } from "../deploy/repository.ts";
import { freePort, type Scope } from "../helpers/resources.ts";
import { withScope } from "../load/scope.ts";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { sources: { type: "boolean", default: false } },
});

async function run(scope: Scope): Promise<number> {
  const { port: notFound, server } = await startNotFound();
  scope.after(() => void server.close());
  const world = values.sources ? new World(scope) : new World(scope, { main: CLI });
  const repository = new Repository(world, await freePort());
  repository.commit("v1");
  await world.succeed("deploy");
  const all = [...brokenVersions({ notFound }), ...LONG_TRIALS, ...blows()];
  const chosen = all.filter(
    ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
  );
  const requests = load(scope, repository.port);
  let bad = 0;
  for (const trial of chosen) {
    const before = { failed: requests.failures.length, answers: requests.answers };
    const { code, state, problems } = await perform(repository, trial);
    const failed = requests.failures.slice(before.failed);
    const answers = requests.answers - before.answers;
    const isBad = problems.length > 0 || failed.length > 0;
    if (isBad) bad += 1;
    console.log(
      [
        (isBad ? "FAIL" : "ok").padEnd(5),
        trial.name.padEnd(62),
        `exit ${code}`.padEnd(8),
        state.padEnd(12),
        `${answers} requests, ${failed.length} failed`,
      ].join(""),
    );
    for (const problem of [...problems, ...new Set(failed)]) console.log(`      ${problem}`);
  }
  await requests.end();
  // The hooks of a program run in reverse: the directories would go first.
  await world.succeed("down", "--all");
  console.log(
    `${chosen.length} broken deploys, ${bad} wrong; ${requests.answers} requests, ${requests.failures.length} failed`,
  );
  return bad;
}

process.exitCode = (await withScope(run)) === 0 ? 0 : 1;
