import { type ChildProcess, fork } from "node:child_process";
import cluster from "node:cluster";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

import { cleanUp, freePort, temporaryDirectory, type Scope } from "../helpers/resources.ts";
import { endKernelOf } from "./kernel-of.ts";

/** How the racers run, and how the owner is chosen among them. */
export const FORMS = ["processes", "cluster workers", "threads"] as const;
export const ENGINES = ["socket", "port", "port with a secret", "kernel"] as const;
export type Form = (typeof FORMS)[number];
export type EngineName = (typeof ENGINES)[number];

/** One race, as a racer is told it. */
export interface Round {
  readonly options: {
    readonly name: string;
    readonly home: string;
    readonly engine?: never;
    readonly port?: never;
  };
  readonly atMs: number;
  /** Gets a line for each instance that is made. */
  readonly made: string;
  /** How long the constructor blocks its process. */
  readonly constructorMs: number;
  /** What the constructor must have for itself meanwhile. */
  readonly lock?: string;
}

export type Command =
  | { readonly round: Round; readonly leave?: never }
  | { readonly leave: string; readonly round?: never };

export interface Report {
  readonly value?: number;
  readonly createdNewInstance?: boolean;
  readonly epoch?: number;
  readonly ms?: number;
  readonly error?: string;
}

/** What a race showed. */
export interface Result {
  readonly constructors: number;
  readonly failures: readonly string[];
  /** What the racers counted: 1 to their number when there was one instance. */
  readonly values: readonly number[];
  readonly creators: number;
  readonly slowestMs: number;
}

interface Racer {
  tell(command: Command): Promise<Report>;
  end(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL("fixtures/racer.ts", import.meta.url));
/** All have been told a round before it begins. */
const LEAD_MS = 40;

/** Processes, workers or threads that race for one singleton after the other. */
export class Racers {
  readonly #racers: readonly Racer[];
  readonly #directory: string;
  #round = 0;

  private constructor(racers: readonly Racer[], directory: string) {
    this.#racers = racers;
    this.#directory = directory;
  }

  static async start(scope: Scope, form: Form, count: number): Promise<Racers> {
    const directory = temporaryDirectory(scope);
    cleanUp(scope, () => endKernelOf(directory));
    const racers = Array.from({ length: count }, () => STARTERS[form]());
    cleanUp(scope, async () => {
      await Promise.all(racers.map((racer) => racer.end()));
    });
    // Each answers once it has loaded its program.
    await Promise.all(racers.map((racer) => racer.tell({ leave: "" })));
    return new Racers(racers, directory);
  }

  /** One race; afterwards all have left. */
  async race(engine: EngineName, constructorMs = 0, locks = false): Promise<Result> {
    this.#round += 1;
    const name = `race-${this.#round}`;
    const made = join(this.#directory, `${name}.made`);
    const round: Round = {
      options: { name, home: this.#directory, ...(await optionsOf(engine)) },
      atMs: Date.now() + LEAD_MS,
      made,
      constructorMs,
      ...(locks ? { lock: join(this.#directory, `${name}.lock`) } : {}),
    };
    const reports = await Promise.all(this.#racers.map((racer) => racer.tell({ round })));
    await this.#end(name, reports);
    return {
      constructors: readFileSync(made, "utf8").trimEnd().split("\n").length,
      failures: reports.flatMap(({ error }) => (error === undefined ? [] : [error])),
      values: reports
        .flatMap(({ value }) => (value === undefined ? [] : [value]))
        .sort((a, b) => a - b),
      creators: reports.filter(({ createdNewInstance }) => createdNewInstance).length,
      slowestMs: Math.max(...reports.map(({ ms = 0 }) => ms)),
    };
  }

  /** The owner leaves last, or each of the others would take over from the one before. */
  async #end(name: string, reports: readonly Report[]): Promise<void> {
    const isOwner = (index: number): boolean => reports[index]?.createdNewInstance === true;
    for (const owners of [false, true])
      await Promise.all(
        this.#racers
          .filter((_, index) => isOwner(index) === owners)
          .map((racer) => racer.tell({ leave: name })),
      );
  }
}

/** What is wrong with a race, if anything. */
export function flawsOf(result: Result, racers: number): string[] {
  const { constructors, failures, values, creators } = result;
  const wanted = Array.from({ length: racers }, (_, index) => index + 1);
  return [
    ...failures,
    ...(constructors === 1 ? [] : [`the constructor ran ${constructors} times`]),
    ...(creators === 1 ? [] : [`${creators} made a new instance`]),
    ...(values.join() === wanted.join() ? [] : [`counted ${values.join()}`]),
  ];
}

async function optionsOf(engine: EngineName): Promise<object> {
  switch (engine) {
    case "socket":
    case "kernel":
      return { engine };
    case "port":
      return { port: await freePort() };
    case "port with a secret":
      return { port: await freePort(), secret: "only racers know it" };
  }
}

const STARTERS: Readonly<Record<Form, () => Racer>> = {
  processes: () => ofChild(fork(PROGRAM)),
  "cluster workers"() {
    cluster.setupPrimary({ exec: PROGRAM });
    return ofChild(cluster.fork().process);
  },
  threads() {
    const worker = new Worker(PROGRAM);
    return {
      tell: (command) => {
        const answer = new Promise<Report>((resolve) => worker.once("message", resolve));
        worker.postMessage(command);
        return answer;
      },
      end: async () => void (await worker.terminate()),
    };
  },
};

function ofChild(child: ChildProcess): Racer {
  return {
    tell: (command) =>
      new Promise((resolve, reject) => {
        const end = (): void => reject(new Error("a racer ended"));
        child.once("exit", end);
        child.once("message", (report: Report) => {
          child.off("exit", end);
          resolve(report);
        });
        child.send(command);
      }),
    end: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once("exit", () => resolve());
        child.kill("SIGKILL");
      }),
  };
}
