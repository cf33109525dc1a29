import { spawnSync } from "node:child_process";
import { join } from "node:path";

import type { Ends } from "../../test/load/scope.ts";
import { BENCH_DIRECTORY } from "../prepare.ts";
import { type Bar, barOf, median } from "./bar.ts";
import { installedNewel } from "./installed.ts";

const ROUNDS = 15;
/** The imports of newel, and how long each may take where piscina's takes `PISCINA_MS`. */
const IMPORTS = { "newel/bus": 30, "newel/pool": 35, "newel/singleton": 40 };
const PISCINA_MS = 32;
const PEERS = ["piscina", "close-with-grace"];

/** The size of the installed package, and the time of its imports next to piscina's and close-with-grace's. */
export async function measureInstall(scope: Ends): Promise<Bar[]> {
  const { directory, packages, diskBytes } = installedNewel(scope);
  const places = new Map([
    ...PEERS.map((name): [string, string] => [name, BENCH_DIRECTORY]),
    ...Object.keys(IMPORTS).map((name): [string, string] => [name, directory]),
  ]);
  const times = new Map([...places.keys()].map((name): [string, number[]] => [name, []]));
  // Round after round, so that the load of the machine is the same for all.
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [name, place] of places) times.get(name)?.push(importMs(place, name));
  const ms = (name: string): number => median(times.get(name) ?? []);
  const seen = Object.fromEntries(
    PEERS.map((name) => [`${name} ms`, Math.round(ms(name) * 10) / 10]),
  );
  return [
    barOf("npm i newel, on the disk", diskBytes / 1e6, { atMost: 14, unit: "MB" }),
    barOf("npm i newel", packages, { atMost: 22, unit: "packages" }),
    ...Object.entries(IMPORTS).map(([name, limit]) =>
      barOf(
        `import ${name}, × piscina`,
        ms(name) / ms("piscina"),
        { atMost: Math.round((limit / PISCINA_MS) * 100) / 100 },
        { ms: Math.round(ms(name) * 10) / 10, ...seen },
      ),
    ),
  ];
}

/** The wall-clock time of an import in a new process. */
function importMs(cwd: string, name: string): number {
  const program = `const begin = performance.now(); await import(${JSON.stringify(name)}); console.log(performance.now() - begin);`;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", program],
    { cwd: join(cwd), encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`import ${name}: ${stderr}`);
  return Number(stdout);
}
