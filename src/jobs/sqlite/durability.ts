import { messageOf, type NewelError, newelError } from "../../base/errors.ts";
import { isDiskError } from "./database-errors.ts";
import { patiently } from "./group.ts";
import type { SameFile } from "./same-file.ts";
import type { Store } from "./store.ts";
import { UnsafeMarks, type UnsafePart } from "./unsafe-marks.ts";
import { WalPair } from "./wal-pair.ts";
import type { WalSync } from "./wal-sync.ts";

/** The delay between two attempts to secure, in milliseconds: until then calls are refused at once. */
const RETRY_MS = 200;

/** SQLite's own file descriptors of WAL and database report an error again that another descriptor has reported. */
const SECURE_TRIES = 3;

/** The parts of an open file that are needed to secure it. */
export interface SecurableFile {
  readonly store: Store;
  readonly file: SameFile;
  readonly wal: WalSync;
}

/**
 * Decides whether a call may be answered as durable.
 *
 * A commit is visible to all processes before it is synced (wal-sync.ts). When a sync fails, Linux takes the
 * pages for clean: a later sync succeeds and writes nothing, and after a power cut recovery ends at the
 * hole, whatever was synced behind it. SQLite at FULL has no such frames, because a transaction whose sync
 * failed is rolled back and its frames are overwritten. So the store has these states:
 *
 *   safe     every frame of the WAL is on disk, or belongs to a commit whose sync has not ended
 *   unsafe   a write or a sync of WAL or database failed, here or in another process (a mark exists)
 *
 *   event                              safe                       unsafe
 *   sync ends well, no mark            answer                     secure, then answer or refuse
 *   sync or write fails                mark, then secure          mark, then secure
 *   mark of another process found      secure                     secure
 *   call that writes                   run                        secure, then run or refuse
 *   open after a crash                 secure (a dead process may have seen an error)
 *   secured                            -                          remove the marks seen before, safe
 *
 * To secure: with SQLite's write lock, so that no frame is added and the WAL does not start over, write all
 * frames again with the same bytes (that makes the pages dirty again) and sync; then checkpoint and sync the
 * database. SQLite reads frames by the index in shared memory and does not check them, so their checksums are
 * checked first: pages that were evicted after the failed sync are read back as they are on disk.
 *
 * When the sync of the database failed, the WAL still has all its frames, because SQLite lets it start over
 * only after a complete checkpoint (wal.html, section 2.3). But a second checkpoint skips the pages that an
 * incomplete one copied before, and these may be the lost ones: then VACUUM writes every page again.
 *
 * The owner of the state is the store thread; marks are the only state between processes. A process that was
 * open at the time of a failure gets the error from its own next sync too, since each open file
 * reports it once (fsync(2), Linux 4.13 and later); the mark is for a file that was opened since.
 */
export class Durability {
  readonly #path: string;
  readonly #marks: UnsafeMarks;
  /** The failures that this process saw and that are not secured yet. */
  readonly #unsafe = new Set<UnsafePart>();
  #failure: NewelError | undefined;
  #retryAt = 0;

  constructor(path: string) {
    this.#path = path;
    this.#marks = new UnsafeMarks(`${path}-owners`);
  }

  /** Records a failed write or sync for all processes. */
  note(part: UnsafePart): void {
    this.#unsafe.add(part);
    this.#marks.add(part);
  }

  /** The file was opened after a process died: that process may have seen a failed sync. */
  distrust(): void {
    this.#unsafe.add("wal");
  }

  get isSafe(): boolean {
    return this.#unsafe.size === 0 && !this.#marks.any;
  }

  /**
   * Makes all committed frames durable.
   *
   * @throws NEWEL_E_JOBS_UNSAFE
   */
  secure({ store, file, wal }: SecurableFile): void {
    if (this.#failure !== undefined && performance.now() < this.#retryAt) throw this.#failure;
    file.assert();
    try {
      for (let tries = 1; ; tries += 1) {
        try {
          this.#secureOnce(store, wal);
          break;
        } catch (error) {
          if (!isDiskError(error) || tries === SECURE_TRIES) throw error;
        }
      }
      this.#failure = undefined;
    } catch (error) {
      const why = messageOf(error);
      this.#failure = newelError("NEWEL_E_JOBS_UNSAFE", { path: this.#path, why }, error);
      this.#retryAt = performance.now() + RETRY_MS;
      throw this.#failure;
    }
  }

  #secureOnce(store: Store, wal: WalSync): void {
    const names = this.#marks.list();
    const parts = new Set([...this.#unsafe, ...names.map((name) => name.split("-", 1)[0])]);
    rewriteFrames(store, wal);
    if (parts.has("database")) rewritePages(store, wal);
    else this.checkpoint({ store });
    this.#marks.remove(names);
    this.#unsafe.clear();
  }

  /** Copies the WAL into the database and syncs it. @returns whether the whole WAL was copied */
  checkpoint({ store }: { readonly store: Store }): boolean {
    try {
      return store.checkpoint();
    } catch (error) {
      if (isDiskError(error)) this.note("database");
      throw error;
    }
  }
}

/** How often the frames of the WAL are counted at most. */
const TRIES = 20;

/** Frames that other processes commit between the count and the lock make the count too small; then it is repeated. */
function rewriteFrames(store: Store, wal: WalSync): void {
  for (let tries = 1; ; tries += 1) {
    const version = store.version();
    const { frames } = store.walProgress();
    patiently(() => store.run("BEGIN IMMEDIATE"));
    try {
      const isCurrent = store.version() === version;
      if (!isCurrent && tries < TRIES) continue;
      wal.rewrite(isCurrent ? frames : 0);
      return;
    } finally {
      store.run("ROLLBACK");
    }
  }
}

/** Writes the pages of the WAL to the database again, and syncs it. */
function rewritePages(store: Store, wal: WalSync): void {
  // After the first complete copy nothing was skipped.
  if (store.walProgress().copied > 0) {
    new WalPair(store.path).forgetSession();
    patiently(() => store.database.exec("VACUUM"));
    rewriteFrames(store, wal);
  }
  if (!store.checkpoint()) throw new Error("another process reads an older state of the database");
}
