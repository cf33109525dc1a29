import { createHash } from "node:crypto";
import { mock } from "node:test";

import { Random } from "../../simulation/random.ts";
import { type Operation, randomProgram, START_MS } from "./operations.ts";
import { Player, type PlayedStore, type PlaySettings } from "./player.ts";
import { levelForPostgres, shapeForPostgres } from "./postgres-rules.ts";
import { readState } from "./state.ts";

/** The result of a program on a store: the answer of each operation as JSON, then the final state. */
export interface Trace {
  readonly operations: readonly Operation[];
  readonly answers: readonly string[];
}

const MOST_OPERATIONS = 60;

/** Plays the program of a seed on a store. During the program its clock is the clock of the process. */
export async function playSeed(
  store: PlayedStore,
  seed: number,
  settings: PlaySettings = {},
): Promise<Trace> {
  const random = new Random(seed);
  const drawn = randomProgram(random, random.between(5, MOST_OPERATIONS));
  const operations = settings.forPostgres === true ? shapeForPostgres(drawn) : drawn;
  const name = settings.forPostgres === true ? `o${seed}` : `p${seed}`;
  mock.timers.enable({ apis: ["Date"], now: START_MS });
  const player = new Player(store, name, (ms) => mock.timers.tick(ms), settings);
  const answers: string[] = [];
  try {
    for (const operation of operations) answers.push(await answerOf(player.play(operation)));
    answers.push(await answerOf(readState(player)));
  } finally {
    await player.close();
    mock.timers.reset();
  }
  if (settings.forPostgres === true)
    answers.forEach((answer, at) => (answers[at] = levelForPostgres(answer, operations[at])));
  return { operations, answers };
}

/** A short text that is the same for the same trace. */
export function digestOf({ answers }: Trace): string {
  return createHash("sha256").update(answers.join("\n")).digest("base64url").slice(0, 16);
}

async function answerOf(playing: Promise<unknown>): Promise<string> {
  try {
    return stable(await playing);
  } catch (error) {
    return `error: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** JSON with the names of objects in order; `undefined` and `null` are both nothing, an empty text on the outside. */
function stable(value: unknown): string {
  const json = JSON.stringify(value, (_, each: unknown) => {
    if (typeof each !== "object" || each === null || Array.isArray(each)) return each ?? undefined;
    return Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }) as string | undefined;
  return json ?? "";
}

/** The first difference of two traces of a program. */
export interface Difference {
  readonly at: number;
  readonly operation: Operation | undefined;
  readonly one: string;
  readonly other: string;
}

export function differenceOf(one: Trace, other: Trace): Difference | undefined {
  const at = one.answers.findIndex((answer, index) => answer !== other.answers[index]);
  if (at === -1) return undefined;
  const operation = one.operations[at];
  return { at, operation, one: one.answers[at] ?? "", other: other.answers[at] ?? "" };
}

/** A difference in words: the places of long answers that differ. */
export function describeDifference(
  seed: number,
  { at, operation, one, other }: Difference,
  names: readonly [string, string],
): string {
  const where = operation === undefined ? "final state" : `${at}: ${JSON.stringify(operation)}`;
  const places: string[] = [];
  compare(read(one), read(other), "", places);
  const title = `seed ${seed}, ${where} (path: ${names[0]} | ${names[1]})`;
  return [title, ...places.slice(0, MOST_PLACES)].join("\n  ");
}

const MOST_PLACES = 6;
const SHOWN = 300;

function read(answer: string): unknown {
  try {
    return JSON.parse(answer) as unknown;
  } catch {
    // The text of an error, or an answer that a rule has replaced.
    return answer;
  }
}

function compare(one: unknown, other: unknown, path: string, places: string[]): void {
  const [ours, theirs] = [JSON.stringify(one) ?? "nothing", JSON.stringify(other) ?? "nothing"];
  if (ours === theirs) return;
  if (isObject(one) && isObject(other))
    for (const name of new Set([...Object.keys(one), ...Object.keys(other)]))
      compare(one[name], other[name], `${path}/${name}`, places);
  else places.push(`${path}: ${ours.slice(0, SHOWN)} | ${theirs.slice(0, SHOWN)}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
