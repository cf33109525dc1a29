import assert from "node:assert/strict";
import { test } from "node:test";

import { isOver, newWait, pass, type Turn, type Wait } from "../../src/base/fair-time.ts";

/** The number of turns of a kind that a wait lasts. */
function turnsOf(wait: Wait, turn: Turn): number {
  let turns = 0;
  for (let now = wait; !isOver(now); now = pass(now, turn)) turns += 1;
  return turns;
}

test("on a machine that is not busy a wait lasts its full time", () => {
  assert.equal(turnsOf(newWait(1_000), { elapsedMs: 25, crowding: 1 }), 40);
  assert.equal(turnsOf(newWait(1_000), { elapsedMs: 25, crowding: 0.5 }), 40);
  assert.equal(turnsOf(newWait(10), { elapsedMs: 10, crowding: 1 }), 1);
  assert.equal(turnsOf(newWait(0), { elapsedMs: 1, crowding: 1 }), 0);
});

test("the part of a turn before the wait began does not count", () => {
  assert.equal(turnsOf(newWait(50, 20), { elapsedMs: 25, crowding: 1 }), 3);
});

test("a late turn counts as one turn", () => {
  assert.equal(turnsOf(newWait(1_000), { elapsedMs: 90, crowding: 1 }), 40);
});

test("a wait grows with the number of programs for each processor, at most twofold", () => {
  assert.equal(turnsOf(newWait(1_000), { elapsedMs: 25, crowding: 1.25 }), 50);
  assert.equal(turnsOf(newWait(1_000), { elapsedMs: 25, crowding: 50 }), 80);
});

test("after a stall the wait begins again, and stalls do not make it endless", () => {
  let wait = newWait(1_000);
  for (let turn = 0; turn < 39; turn += 1) wait = pass(wait, { elapsedMs: 25, crowding: 1 });
  wait = pass(wait, { elapsedMs: 60_000, crowding: 1 });
  assert.equal(isOver(wait), false);
  assert.equal(turnsOf(wait, { elapsedMs: 25, crowding: 1 }), 40);
  assert.equal(turnsOf(newWait(1_000), { elapsedMs: 150, crowding: 1 }), 160);
});
