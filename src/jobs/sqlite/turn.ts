import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";

import type { Request } from "./group.ts";
import type { ToThread, UpkeepKind } from "./messages.ts";
import type { Wait } from "./waits.ts";

/** All messages of the main thread until now; their calls become one transaction. */
export interface Turn {
  readonly requests: Request[];
  /** The numbers of the {@link requests}, for the answers. */
  readonly numbers: number[];
  readonly waits: Wait[];
  readonly cancels: number[];
  readonly declines: number[];
  readonly upkeep: (readonly [number: number, kind: UpkeepKind, argument: string])[];
  pong: number | undefined;
  guard: boolean;
  close: boolean;
}

/** Takes all messages that arrived, after those that were taken before. */
export function gatherTurn(first: readonly ToThread[], port: MessagePort): Turn {
  const turn: Turn = {
    requests: [],
    numbers: [],
    waits: [],
    cancels: [],
    declines: [],
    upkeep: [],
    pong: undefined,
    guard: false,
    close: false,
  };
  for (const message of first) take(turn, message);
  for (;;) {
    const more = receiveMessageOnPort(port);
    if (more === undefined) break;
    take(turn, more.message as ToThread);
  }
  // A wait that was cancelled in the same turn is not started.
  if (turn.waits.length === 0 || turn.cancels.length === 0) return turn;
  return { ...turn, waits: turn.waits.filter(({ number }) => !turn.cancels.includes(number)) };
}

function take(turn: Turn, message: ToThread): void {
  const { now, calls, waits, cancels, declines, upkeep, pong, guard, close } = message;
  for (const [number, operation, queue, args] of calls) {
    turn.numbers.push(number);
    turn.requests.push({ operation, queue, args, now });
  }
  if (waits !== undefined) turn.waits.push(...waits);
  if (cancels !== undefined) turn.cancels.push(...cancels);
  if (declines !== undefined) turn.declines.push(...declines);
  if (upkeep !== undefined) turn.upkeep.push(...upkeep);
  if (pong !== undefined) turn.pong = pong;
  if (guard === true) turn.guard = true;
  if (close === true) turn.close = true;
}
