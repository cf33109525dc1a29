import { type ChildProcess, fork } from "node:child_process";
import cluster from "node:cluster";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

import { cleanUp, freePort, temporaryDirectory, type Scope } from "../helpers/resources.ts";
import { endKernelOf } from "./kernel-of.ts";

/** The kind of the racers, and the way to elect the owner. */
export const FORMS = ["processes", "cluster workers", "threads"] as const;
export const ENGINES = ["socket", "port", "port with a secret", "kernel"] as const;
export type Form = (typeof FORMS)[number];
export type EngineName = (typeof ENGINES)[number];

/** One race, as it is sent to a racer. */
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
  /** The time that the constructor blocks its process. */
  readonly constructorMs: number;
  /** The resource that the constructor must hold exclusively. */
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

/** The outcome of a race. */
export interface Result {
  readonly constructors: number;
  readonly failures: readonly string[];
  /** The counts of the racers: 1 to their number if there was one instance. */
  readonly values: readonly number[];
  readonly creators: number;
  readonly slowestMs: number;
}

interface Racer {
  tell(command: Command): Promise<Report>;
  end(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL("fixtures/racer.ts", import.meta.url));
/** All racers have the round before it begins. */
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

  /** The owner leaves last, otherwise each of the others would take over in turn. */
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

/** The violations of a race, if any. */
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
        const answer = new Promise<Report>((resolve, reject) => {
          const end = (): void => reject(new Error("a racer ended"));
          worker.once("exit", end);
          worker.once("message", (report: Report) => {
            worker.off("exit", end);
            resolve(report);
          });
        });
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
