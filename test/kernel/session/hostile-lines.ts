import { randomInt } from "node:crypto";

/**
 * Invalid lines: random bytes, and requests of both grammars with pieces changed, cut, doubled or moved. No
 * line starts a program or removes a thing that the test needs.
 */
export class HostileLines {
  #state: number;

  /** @param seed - the same seed gives the same lines */
  constructor(seed: number = randomInt(2 ** 31)) {
    this.#state = seed | 1;
  }

  /** One line, or some bytes without a line, with or without a line end. */
  next(): Buffer {
    if (this.#below(100) === 0) return this.#modal();
    const kind = this.#below(10);
    if (kind === 0) return this.#bytes(this.#below(200));
    if (kind === 1) return Buffer.concat([this.#bytes(this.#below(40)), Buffer.from("\n")]);
    const seed = this.#pick(kind < 6 ? TEXT_SEEDS : JSON_SEEDS);
    let line: Buffer = Buffer.from(seed);
    for (let changes = this.#below(4); changes > 0; changes -= 1) line = this.#mutate(line);
    if (kind === 9 && this.#below(50) === 0) line = Buffer.concat([line, this.#huge()]);
    return this.#below(30) === 0 ? line : Buffer.concat([line, Buffer.from("\n")]);
  }

  /** Enters a mode of the prompt, sends an unexpected line, and leaves the mode. */
  #modal(): Buffer {
    const inside = this.#bytes(this.#below(30)).toString("latin1").replaceAll(/[\nq]/g, "");
    return Buffer.from(`${this.#pick(["watch processes steady", "events 0"])}\n${inside}\n\nq\n`);
  }

  #mutate(line: Buffer): Buffer {
    const at = this.#below(line.length + 1);
    switch (this.#below(7)) {
      case 0:
        return Buffer.concat([
          line.subarray(0, at),
          this.#bytes(1 + this.#below(3)),
          line.subarray(at),
        ]);
      case 1:
        return Buffer.concat([line.subarray(0, at), line.subarray(at + 1 + this.#below(5))]);
      case 2:
        return Buffer.concat([
          line.subarray(0, at),
          line.subarray(Math.max(0, at - this.#below(20))),
        ]);
      case 3:
        return Buffer.concat([
          line.subarray(0, at),
          Buffer.from(this.#pick(ODD_PIECES)),
          line.subarray(at),
        ]);
      case 4:
        return line.subarray(0, at);
      case 5: {
        const changed = Buffer.from(line);
        if (at < changed.length) changed[at] = (changed[at] ?? 0) ^ (1 << this.#below(8));
        return changed;
      }
      default:
        return Buffer.concat([line, Buffer.from(" "), Buffer.from(this.#pick(TEXT_SEEDS))]);
    }
  }

  #huge(): Buffer {
    return Buffer.alloc(this.#below(3_000_000), this.#pick([" ", "a", "[", "\\ ", "=", '{"a":']));
  }

  #bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.#below(256)));
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T;
  }

  /** xorshift32: small, fast and repeatable. */
  #below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return limit <= 0 ? 0 : (state >>> 0) % limit;
  }
}

const ODD_PIECES = [
  "\0",
  "\r",
  "\\",
  "\\ ",
  '"',
  "=",
  "*",
  "{",
  "}",
  "[[[[",
  "__proto__",
  "constructor",
  "\u{1d11e}",
  "é",
  "-1",
  "1e309",
  "99999999999999999999",
  "null",
  " ".repeat(300),
  "a".repeat(5_000),
  "$(socket.x.port)",
  "> ",
];

const TEXT_SEEDS = [
  "list sockets *",
  "list processes a* b*",
  "list values",
  "list claims",
  "h l p",
  "help make socket",
  "set fuzz some words",
  "set fuzz",
  "get fuzz",
  "remove values fuzz",
  "remove values *",
  "make socket fuzz family=inet type=stream backlog=5 host=127.0.0.1 port=0",
  "make socket fuzz path=relative.sock umask=077",
  "remove sockets fuzz",
  "make process fuzz working_dir=/nonexistent uid=nobody env.A=1 rlimit.nofile=9 /nonexistent/program $(socket.fuzz.port)",
  "remove processes fuzz",
  "watch processes none*",
  "signal fuzz TERM tree",
  "claim fuzz",
  "release fuzz --force",
  "status",
  "",
];

const JSON_SEEDS = [
  { id: 1, do: "list sockets", names: ["*"] },
  { id: "a", do: "set", name: "fuzz", value: "\n\0é" },
  { id: 2, do: "get", name: "fuzz" },
  { id: 3, do: "make socket", name: "fuzz", port: 0, backlog: 5, reuseport: true },
  { id: 4, do: "remove sockets", names: ["fuzz"] },
  {
    id: 5,
    do: "make process",
    name: "fuzz",
    args: ["/nonexistent/program"],
    working_dir: "/nonexistent",
    env: { A: "1" },
    rlimit: { nofile: 9 },
    sockets: ["x"],
    bufsize: "1m",
  },
  {
    id: 6,
    do: "watch processes",
    names: ["*"],
    from: { out: 0, err: 5 },
    follow: true,
    reader: "r",
  },
  { id: 7, do: "unwatch", watch: 6 },
  { id: 8, do: "events", since: 0 },
  { id: 9, do: "unwatch", watch: 8 },
  { id: 10, do: "claim", name: "fuzz", pid: 1 },
  { id: 11, do: "release", name: "fuzz", force: true },
  { id: 12, do: "ack", name: "steady", reader: "r", position: { out: 1 } },
  { id: 13, do: "signal", name: "fuzz", signal: "TERM", scope: "group" },
  { id: 14, do: "status" },
  { id: 15, do: "help", topic: ["make", "socket"] },
].map((request) => JSON.stringify(request));
