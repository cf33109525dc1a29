import { backup } from "node:sqlite";

import { integrityProblems } from "./database.ts";
import { patiently } from "./group.ts";
import type { UpkeepKind } from "./messages.ts";
import type { Store } from "./store.ts";

/** Work on the whole file, which no transaction of a queue is. */
export function upkeep(store: Store, kind: UpkeepKind, argument: string): unknown {
  return UPKEEP[kind](store, argument);
}

const UPKEEP: Readonly<Record<UpkeepKind, (store: Store, argument: string) => unknown>> = {
  check: (store, kind) => integrityProblems(store.database, kind === "quick" ? "quick" : "full"),
  vacuum: (store) => patiently(() => store.database.exec("VACUUM")),
  backup: (store, path) => backup(store.database, path),
};
