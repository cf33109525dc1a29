import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

import { repairNumbers } from "./damaged-numbers.ts";
import { pageBytes } from "./database.ts";
import { isDamagedNumber } from "./database-errors.ts";
import { Doorbell } from "./doorbell.ts";
import type { Offers } from "./offers.ts";
import { Owners } from "./owners.ts";
import { SameFile } from "./same-file.ts";
import { Store } from "./store.ts";
import { WalSync, type WalWork } from "./wal-sync.ts";
import { WalPair } from "./wal-pair.ts";
import { Waits } from "./waits.ts";

/** The callbacks of an open file into the store thread. */
export interface FileEvents {
  /** Another process has committed. */
  heard(): void;
  readonly walWork: WalWork;
}

/** Opens the database of a file. */
export type OpenDatabase = () => DatabaseSync;

/**
 * The objects that belong to one open database file; all of them are replaced when the file is opened again.
 */
export class OpenFile {
  readonly store: Store;
  readonly owners: Owners;
  readonly waits: Waits;
  readonly file: SameFile;
  readonly bell: Doorbell;
  readonly wal: WalSync;
  readonly offers: Offers;
  /** Whether the last process that had the file ended without closing it. */
  readonly afterCrash: boolean;
  #closed = false;

  constructor(path: string, open: OpenDatabase, offers: Offers, events: FileEvents) {
    const pair = new WalPair(path);
    pair.check();
    const hadWal = (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
    let bell: Doorbell | undefined;
    this.store = new Store(open(), path, () => {
      if (!this.store.isAlone && !this.#closed) bell?.ring();
    });
    let owners: Owners | undefined;
    try {
      owners = new Owners(this.store, path);
      this.owners = owners;
      const recovered = recoverRepairing(owners, this.store);
      this.afterCrash = hadWal && (this.owners.lost > 0 || !this.owners.hasOthers);
      pair.begin(this.store);
      this.file = new SameFile(path);
      const { directory, file, fd } = this.owners;
      bell = new Doorbell(directory, file, fd, () => events.heard());
      this.bell = bell;
      if (recovered.size > 0) this.bell.ring();
      this.wal = new WalSync(path, pageBytes(this.store.database), events.walWork);
      this.waits = new Waits(this.store);
      this.offers = offers;
    } catch (error) {
      this.#closed = true;
      owners?.abandon();
      this.store.database.close();
      throw error;
    }
  }

  /** Abandons a file that failed. Jobs of this opening are requeued with those of dead processes. */
  abandon(): void {
    this.#closed = true;
    this.offers.withdrawAll();
    this.wal.close();
    this.bell.rest(Infinity);
    this.owners.abandon();
    this.store.database.close();
  }

  /** Closes the file properly. */
  close(): void {
    this.#closed = true;
    this.owners.leave();
    this.wal.close();
    this.store.database.close();
  }
}

/** Requeues the jobs of dead processes. If a row of one of them is damaged, the file is opened nevertheless. */
function recoverRepairing(owners: Owners, store: Store): ReturnType<Owners["recover"]> {
  try {
    return owners.recover();
  } catch (error) {
    if (!isDamagedNumber(error) || repairNumbers(store) === 0) throw error;
    return owners.recover();
  }
}
