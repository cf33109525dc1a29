import { type Dirent, type FSWatcher, lstatSync, readdirSync, watch } from "node:fs";
import { basename, join, sep } from "node:path";

import { newelError, systemCode } from "../../base/errors.ts";
import type { IsIgnored } from "./ignored.ts";
import type { WatchRoot } from "./watch-paths.ts";

/** How often a watched directory that was removed is looked for, in milliseconds. */
const RETURN_MS = 500;

/** Errors of a directory that is being removed, or that this user may not read. */
const PASSED_OVER = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM"]);

/** The watched root and the receiver of its changes. */
export interface TreeWatcherOptions extends WatchRoot {
  readonly isIgnored: IsIgnored;
  /** Called with each file that was written, made or removed; several times for one save. */
  readonly changed: (file: string) => void;
  /** Called when a directory cannot be watched: NEWEL_E_WATCH_LIMIT, NEWEL_E_SYSCALL. */
  readonly failed: (error: Error) => void;
}

/**
 * Watches a directory with everything below it: one inotify watch for each directory, because Linux has no
 * recursive one. Each event is only a hint: the file itself is read again, and a directory is watched before its
 * entries are listed, so that no file that is made at that moment is missed.
 *
 * | seen | action |
 * |---|---|
 * | a file whose mtime, size or inode is new | `changed` |
 * | a name that is gone | `changed` for a file; a directory and all below it are watched no more |
 * | a directory that was made, moved or removed and made again | it is watched from the start, its files have changed |
 * | the root itself is gone | it is looked for twice a second; when it is back, its files have changed |
 */
export class TreeWatcher {
  readonly #options: TreeWatcherOptions;
  readonly #directories = new Map<string, FSWatcher>();
  /** The last seen state of files that had an event. */
  readonly #marks = new Map<string, string>();
  #return: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: TreeWatcherOptions) {
    this.#options = options;
    this.#add(options.directory, false);
    if (this.#directories.size === 0) this.#awaitReturn();
  }

  /** How many directories are watched. */
  get size(): number {
    return this.#directories.size;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#return);
    for (const watcher of this.#directories.values()) watcher.close();
    this.#directories.clear();
  }

  /** @param isNew - its files were made while their directory was not watched */
  #add(directory: string, isNew: boolean): void {
    if (!this.#watch(directory)) return;
    for (const entry of this.#entriesOf(directory)) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) {
        if (this.#isEntered(path)) this.#add(path, isNew);
      } else if (isNew && !this.#isPassedOver(path)) {
        this.#marks.set(path, markOf(path) ?? "");
        this.#options.changed(path);
      }
    }
  }

  #watch(directory: string): boolean {
    if (this.#isClosed) return false;
    try {
      const status = lstatSync(directory);
      // The root may be a link, as in `current`; a link further down is not followed.
      const isRoot = directory === this.#options.directory;
      if (!status.isDirectory() && !(isRoot && status.isSymbolicLink())) return false;
      const watcher = watch(directory, { persistent: false });
      watcher.on("change", (event, name) => this.#look(directory, name, event === "rename"));
      watcher.on("error", () => this.#forget(directory));
      this.#directories.get(directory)?.close();
      this.#directories.set(directory, watcher);
      return true;
    } catch (error) {
      const code = systemCode(error) ?? "";
      if (!PASSED_OVER.has(code)) this.#options.failed(watchError(error, directory));
      return false;
    }
  }

  #entriesOf(directory: string): readonly Dirent[] {
    try {
      return readdirSync(directory, { withFileTypes: true });
    } catch (error) {
      if (PASSED_OVER.has(systemCode(error) ?? "")) return [];
      throw error;
    }
  }

  /** @param isRename - an entry was made, moved or removed; else it was written, or its attributes changed */
  #look(directory: string, name: string | Buffer | null, isRename: boolean): void {
    if (this.#isClosed) return;
    // An event about the directory itself has its own name, as one about an entry of that name has.
    if (name === null || (isRename && String(name) === basename(directory))) this.#again(directory);
    if (name !== null) this.#lookAt(join(directory, String(name)), isRename);
  }

  /** The watch of a directory that was removed has ended, even where a new one has its name and inode by now. */
  #again(directory: string): void {
    this.#forget(directory);
    this.#add(directory, true);
    if (directory === this.#options.directory && this.#directories.size === 0) this.#awaitReturn();
  }

  #lookAt(path: string, isRename: boolean): void {
    const status = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    const isKnown = this.#directories.has(path);
    if (status?.isDirectory() === true) {
      if (isRename && this.#isEntered(path)) this.#again(path);
      return;
    }
    if (isKnown) this.#forget(path);
    if (this.#isPassedOver(path)) return;
    const mark = status === undefined ? "" : textOf(status);
    if (!isKnown && this.#marks.get(path) === mark) return;
    this.#marks.set(path, mark);
    this.#options.changed(path);
  }

  #isEntered(directory: string): boolean {
    return !this.#options.isIgnored(directory, true) && this.#options.enters(directory);
  }

  #isPassedOver(file: string): boolean {
    return this.#options.isIgnored(file, false) || !this.#options.includes(file);
  }

  #forget(directory: string): void {
    for (const [path, watcher] of this.#directories) {
      if (path !== directory && !path.startsWith(directory + sep)) continue;
      watcher.close();
      this.#directories.delete(path);
    }
    for (const path of this.#marks.keys())
      if (path.startsWith(directory + sep)) this.#marks.delete(path);
  }

  #awaitReturn(): void {
    clearTimeout(this.#return);
    if (this.#isClosed) return;
    this.#return = setTimeout(() => {
      this.#add(this.#options.directory, true);
      if (this.#directories.size === 0) this.#awaitReturn();
    }, RETURN_MS).unref();
  }
}

function markOf(path: string): string | undefined {
  const status = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return status === undefined ? undefined : textOf(status);
}

function textOf(status: {
  readonly mtimeNs: bigint;
  readonly size: bigint;
  readonly ino: bigint;
}): string {
  return `${status.mtimeNs} ${status.size} ${status.ino}`;
}

/** ENOSPC and EMFILE are limits of inotify, whose texts in Node.js speak of disks and files. */
function watchError(error: unknown, directory: string): Error {
  const code = systemCode(error) ?? "unknown";
  const limit =
    code === "ENOSPC"
      ? "fs.inotify.max_user_watches"
      : code === "EMFILE"
        ? "fs.inotify.max_user_instances"
        : undefined;
  if (limit !== undefined)
    return newelError("NEWEL_E_WATCH_LIMIT", { directory, code, limit }, error);
  return newelError("NEWEL_E_WATCH", { directory, code }, error);
}
