import { test } from "node:test";

import { ADDING } from "./adding.ts";
import { ANSWERING } from "./answering.ts";
import { EVENTS } from "./events.ts";
import { FAILING_CHILDREN } from "./failing.ts";
import { FLOWS } from "./flows.ts";
import { KEEPING } from "./keeping.ts";
import { DEDUPLICATING, LIMITS } from "./limiting.ts";
import { LISTING } from "./listing.ts";
import { MANAGING } from "./managing.ts";
import { OPTIONS } from "./options.ts";
import { SCHEDULING } from "./scheduling.ts";
import { STALLING, TRYING } from "./trying.ts";
import { VALUES } from "./values.ts";
import { DELAYING, PRIORITIES } from "./waiting.ts";
import { WORKING } from "./working.ts";
import { type Backend, type Behaviour, wait, World } from "./world.ts";

/** The behaviours of a BullMQ store by its documentation: the same list for every store. */
const BEHAVIOURS: Readonly<Record<string, readonly Behaviour[]>> = {
  adding: ADDING,
  answering: ANSWERING,
  working: WORKING,
  keeping: KEEPING,
  "trying again": TRYING,
  stalling: STALLING,
  delaying: DELAYING,
  priorities: PRIORITIES,
  limits: LIMITS,
  deduplicating: DEDUPLICATING,
  flows: FLOWS,
  "failing children": FAILING_CHILDREN,
  scheduling: SCHEDULING,
  managing: MANAGING,
  listing: LISTING,
  events: EVENTS,
  options: OPTIONS,
  values: VALUES,
};

/**
 * Tries all of them on a store.
 *
 * @param differs - behaviours in which this store differs from BullMQ on Redis, with the reason
 */
export function tryBehaviours(
  open: () => Backend,
  options: { readonly skip: string | false; readonly differs?: Readonly<Record<string, string>> },
): void {
  for (const [topic, behaviours] of Object.entries(BEHAVIOURS))
    for (const [what, holds] of behaviours) {
      const name = `${topic}: ${what}`;
      const difference = options.differs?.[name];
      test(
        difference === undefined ? name : `${name} (differs: ${difference})`,
        options.skip === false ? { timeout: 15_000 } : { skip: options.skip },
        async () => {
          const world = new World(open());
          try {
            if (difference === undefined) await holds(world);
            else await Promise.race([holds(world), late()]).then(unexpected, () => undefined);
          } finally {
            await world.close();
          }
        },
      );
    }
}

/** Fails after a time in which an expected event would have come. */
async function late(): Promise<never> {
  await wait(3_000);
  throw new Error("it did not come");
}

function unexpected(): never {
  throw new Error("it no longer differs: take it off the list");
}
