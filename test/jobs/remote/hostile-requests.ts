/** Calls of a job server with arguments that are almost right, or not at all; the same for a seed. */
export class HostileRequests {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  next(): { readonly method: string; readonly args: unknown[] } {
    const [method, args] = this.#pick(CALLS);
    const made = structuredClone(args) as unknown[];
    const times = this.#below(4);
    for (let count = 0; count < times; count += 1) this.#mutate(made);
    return { method, args: made };
  }

  #mutate(value: unknown): void {
    if (typeof value !== "object" || value === null || !isPlainHolder(value)) return;
    const record = value as Record<string, unknown>;
    const keys = Object.keys(record);
    const key = keys.length === 0 ? "0" : (keys[this.#below(keys.length)] ?? "0");
    const inner = record[key];
    const change = this.#below(7);
    if (typeof inner === "object" && inner !== null && change > 2) this.#mutate(inner);
    else if (change === 0) delete record[key];
    else if (change === 1 && !Array.isArray(value)) own(record, this.#pick(KEYS), this.#value());
    else record[key] = this.#value();
  }

  #value(): unknown {
    if (this.#below(50) === 0) return nested(this.#below(80));
    if (this.#below(50) === 0) return "é\u0000".repeat(this.#below(5_000));
    return structuredClone(this.#pick(VALUES));
  }

  #pick<Value>(list: readonly Value[]): Value {
    return list[this.#below(list.length)] as Value;
  }

  /** xorshift32. */
  #below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % limit;
  }
}

const RUN = {
  name: "plain",
  queue: "default",
  input: { a: 1 },
  delayMs: 0,
  attempts: 1,
  backoff: { minMs: 1, maxMs: 1 },
  keep: { done: { ageMs: 1_000 }, failed: { ageMs: 1_000 } },
};

const CALLS: readonly (readonly [string, readonly unknown[]])[] = [
  // No server runs this name: a request that is otherwise right costs no job.
  ["enqueue", [{ ...RUN, name: "nobody-runs-it" }]],
  ["enqueue", [{ ...RUN, by: "anna", key: "one", group: "g", priority: 3 }]],
  ["get", ["default~0123456789abcdef0123456789abcdef", { by: "anna" }]],
  ["list", [{ by: "anna", active: true, states: ["failed"], limit: 3 }]],
  ["cancel", ["default~0123456789abcdef0123456789abcdef", {}]],
  ["retry", ["default~0123456789abcdef0123456789abcdef", {}]],
  ["stats", []],
  ["resume", ["default"]],
  ["schedule", [{ id: "nightly", cron: "0 3 * * *", run: { ...RUN, name: "nobody-runs-it" } }]],
  ["unschedule", ["default", "nightly"]],
  ["schedules", []],
  ["flow", [{ run: { ...RUN, name: "nobody-runs-it" }, children: [{ run: RUN, children: [] }] }]],
];

const KEYS = ["__proto__", "constructor", "toString", "then", "id", "by", "", "0", "length"];

const VALUES: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  1e308,
  Number.NaN,
  Infinity,
  2 ** 53,
  "",
  "~",
  "default~",
  "../../etc/passwd",
  "default~'; DROP TABLE job; --",
  "bull:default:1",
  "\ud800",
  "\u0000",
  "newel-cancel",
  [],
  {},
  [[[]]],
  new Date(0),
  new Date(Number.NaN),
  10n,
  new Uint8Array(3),
  new Map([[1, 2]]),
  new Error("no"),
];

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { value };
  return value;
}

function isPlainHolder(value: object): boolean {
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

/** As JSON.parse does it, so that `__proto__` is a field like any other. */
function own(record: object, key: string, value: unknown): void {
  Object.defineProperty(record, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}
