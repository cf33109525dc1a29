import type { Random } from "../../simulation/random.ts";
import { BUS_STATES, type BusState } from "../../../src/bus/lifecycle/states.ts";

export type Command = "start" | "stop" | "graceful" | "restart" | "exit";

/** One action of a script, a listener or a task. */
export type Act =
  | { readonly do: "pause"; readonly ms: number }
  | {
      readonly do: "ask";
      readonly command: Command;
      readonly code: number | undefined;
      readonly awaited: boolean;
    }
  | { readonly do: "wait"; readonly states: readonly BusState[] }
  | { readonly do: "keep"; readonly ms: number; readonly blocks: boolean }
  | { readonly do: "block" };

/** The ways in which a listener ends. */
type Finish =
  | { readonly by: "return" | "throw" | "hang" | "abort" }
  | { readonly by: "exit"; readonly code: number | undefined };

export interface ListenerSpec {
  readonly name: string;
  readonly channel: string;
  readonly priority: number;
  /** A synchronous listener acts and ends immediately: its actions are not awaited. */
  readonly synchronous: boolean;
  readonly acts: readonly Act[];
  readonly finish: Finish;
}

/** A program: its listeners, and its calls from outside. It always requests the exit at its end. */
export interface Program {
  readonly listeners: readonly ListenerSpec[];
  readonly script: readonly Act[];
}

export const LIFECYCLE = ["start", "stop", "restart", "graceful", "exit"] as const;
export const STATES = BUS_STATES;
const COMMANDS: readonly Command[] = ["start", "stop", "graceful", "restart", "exit"];
/** Exit codes; an empty list means none. */
const CODES: readonly (readonly number[])[] = [[], [0], [0], [3], [7], [256]];
const MOST_LISTENERS = 8;
const LONGEST_PAUSE_MS = 5;

export function randomProgram(random: Random): Program {
  const plain = LIFECYCLE.map((channel): ListenerSpec => {
    const finish = { by: "return" } as const;
    return { name: `plain-${channel}`, channel, priority: 50, synchronous: true, acts: [], finish };
  });
  const count = random.between(1, MOST_LISTENERS);
  const others = Array.from({ length: count }, (_, index) => randomListener(random, index));
  const first: Act[] = random.chance(0.8) ? [ask("start", undefined, random.chance(0.5))] : [];
  const more = Array.from({ length: random.between(1, 8) }, () => randomAct(random, false));
  return { listeners: [...plain, ...others], script: [...first, ...more] };
}

function randomListener(random: Random, index: number): ListenerSpec {
  const channel = random.chance(0.55)
    ? random.pick(LIFECYCLE)
    : random.pick([...STATES, "main", "log"]);
  const isLifecycle = LIFECYCLE.some((name) => name === channel);
  const acts = Array.from({ length: random.between(0, 2) }, () => randomAct(random, isLifecycle));
  return {
    name: `listener-${index}`,
    channel,
    priority: random.between(0, 10) * 10,
    synchronous: random.chance(0.3),
    acts,
    finish: randomFinish(random, isLifecycle, channel === "log"),
  };
}

function randomAct(random: Random, inLifecycle: boolean): Act {
  const dice = random.next();
  if (dice < 0.35) return { do: "pause", ms: random.between(0, LONGEST_PAUSE_MS) };
  if (dice < 0.8) return ask(random.pick(COMMANDS), random.pick(CODES)[0], random.chance(0.5));
  if (dice < 0.9)
    return { do: "wait", states: random.chance(0.8) ? [random.pick(STATES)] : pickTwo(random) };
  if (dice < 0.95 || inLifecycle)
    return { do: "keep", ms: random.between(0, 20), blocks: random.chance(0.4) };
  return { do: "block" };
}

function ask(command: Command, code: number | undefined, awaited: boolean): Act {
  return { do: "ask", command, code: command === "exit" ? code : undefined, awaited };
}

function pickTwo(random: Random): BusState[] {
  return [random.pick(STATES), random.pick(STATES)];
}

function randomFinish(random: Random, inLifecycle: boolean, onLog: boolean): Finish {
  const dice = random.next();
  if (dice < 0.6 || (onLog && dice > 0.8)) return { by: "return" };
  if (dice < 0.75) return { by: "throw" };
  if (dice < 0.9) return { by: "exit", code: random.pick(CODES)[0] };
  return inLifecycle ? { by: dice < 0.95 ? "hang" : "abort" } : { by: "return" };
}
