/** The longest time that changes are collected, as a multiple of the debounce. */
const LONGEST = 20;

/**
 * Collects changes until none came for the time of the debounce: a save of an editor is several events, a checkout
 * changes many files. Under a steady stream of changes they are passed on after 20 times the debounce.
 */
export class Changes {
  readonly #debounceMs: number;
  readonly #settled: (files: readonly string[]) => void;
  readonly #files = new Set<string>();
  #quiet: NodeJS.Timeout | undefined;
  #latest: NodeJS.Timeout | undefined;

  constructor(debounceMs: number, settled: (files: readonly string[]) => void) {
    this.#debounceMs = debounceMs;
    this.#settled = settled;
  }

  add(file: string): void {
    this.#files.add(file);
    clearTimeout(this.#quiet);
    const flush = (): void => this.#flush();
    this.#quiet = setTimeout(flush, this.#debounceMs);
    this.#latest ??= setTimeout(flush, this.#debounceMs * LONGEST);
  }

  close(): void {
    clearTimeout(this.#quiet);
    clearTimeout(this.#latest);
    this.#files.clear();
  }

  #flush(): void {
    const files = [...this.#files];
    this.close();
    this.#latest = undefined;
    if (files.length > 0) this.#settled(files);
  }
}
