import { backup, DatabaseSync } from "node:sqlite";

import { assertBackupTarget } from "./backup-target.ts";
import { integrityProblems } from "./database.ts";
import { patiently } from "./group.ts";
import type { UpkeepKind } from "./messages.ts";
import { makePrivateFile } from "./same-file.ts";
import type { Store } from "./store.ts";
import { WalPair } from "./wal-pair.ts";

/** Maintenance of the whole file, outside the transactions of queues. */
export function upkeep(store: Store, kind: UpkeepKind, argument: string): unknown {
  return UPKEEP[kind](store, argument);
}

const UPKEEP: Readonly<Record<UpkeepKind, (store: Store, argument: string) => unknown>> = {
  check: (store, kind) => integrityProblems(store.database, kind === "quick" ? "quick" : "full"),
  vacuum: (store) => {
    new WalPair(store.path).forgetSession();
    patiently(() => store.database.exec("VACUUM"));
  },
  backup: async (store, path) => {
    assertBackupTarget(store.path, path);
    makePrivateFile(path);
    await backup(store.database, path);
    endSession(path);
  },
};

/** Ends the WAL session in a copy, so that the original's WAL is not applied to a copy that replaces it. */
function endSession(path: string): void {
  const copy = new DatabaseSync(path);
  try {
    copy.exec("UPDATE system SET session = ''");
  } finally {
    copy.close();
  }
}
