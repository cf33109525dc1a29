// 200 races of 20 processes, cluster workers and threads for one singleton, in every way an owner is
// chosen, with constructors that take nothing, half a second, and two seconds with a lock of their own:
// `node test/soak/singleton-race.ts [ROUNDS] [RACERS]`. Prints one line; exits with 1 when a constructor ran twice, there
// were two instances, or anybody failed.
import { withScope } from "../load/scope.ts";
import { ENGINES, type EngineName, flawsOf, FORMS, Racers } from "../singleton/racers.ts";

const rounds = Number(process.argv[2] ?? 200);
const racers = Number(process.argv[3] ?? 20);

/** Of every twelve races in one form and way, ten are of an instant. */
function constructorOf(round: number): readonly [ms: number, locks: boolean] {
  if (round % 12 === 5) return [500, false];
  return round % 12 === 11 ? [2_000, true] : [0, false];
}

const perForm = Math.ceil(rounds / FORMS.length);
const slowest: Record<string, number> = {};
const flaws: string[] = [];
let raced = 0;
const begin = performance.now();
for (const form of FORMS)
  await withScope(async (scope) => {
    const field = await Racers.start(scope, form, racers);
    for (let round = 0; round < perForm; round += 1) {
      const engine = ENGINES[round % ENGINES.length] as EngineName;
      const [ms, locks] = constructorOf(Math.floor(round / ENGINES.length));
      const result = await field.race(engine, ms, locks);
      raced += 1;
      const kind = `${engine}, ${ms} ms`;
      slowest[kind] = Math.max(slowest[kind] ?? 0, Math.round(result.slowestMs));
      for (const flaw of flawsOf(result, racers)) flaws.push(`${form}, ${kind}: ${flaw}`);
    }
  });
console.log(
  JSON.stringify({
    soak: "singleton-race",
    ok: flaws.length === 0,
    rounds: raced,
    racers,
    seconds: Math.round((performance.now() - begin) / 1_000),
    slowestMs: slowest,
    flaws,
  }),
);
process.exit(flaws.length === 0 ? 0 : 1);
