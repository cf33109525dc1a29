import { spawnSync } from "node:child_process";
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { Bus } from "../../src/bus/bus.ts";

/** One way to publish to listeners. */
export interface Publisher {
  readonly name: string;
  /** Makes one publish to this many listeners, each called with a number. */
  readonly prepare: (
    listeners: number,
    listener: (value: number) => void,
  ) => Publish | Promise<Publish>;
}

export interface Publish {
  readonly once: () => unknown;
  /** Its publish is a promise that has to be awaited. */
  readonly asynchronous: boolean;
}

/** Packages are looked for here, in bench/node_modules, and in the directory of PEERS. */
const require = createRequire(
  process.env["PEERS"] === undefined
    ? import.meta.url
    : pathToFileURL(join(process.env["PEERS"], "x.js")),
);

/** A package of a peer, or `undefined` when it is not installed. */
export async function peer(name: string): Promise<Record<string, unknown> | undefined> {
  try {
    return (await import(pathToFileURL(require.resolve(name)).href)) as Record<string, unknown>;
  } catch {
    // Peers are optional: the table says which are missing.
    return undefined;
  }
}

/** The path of a peer's module, for programs that import it themselves. */
export function peerPath(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    // As above.
    return undefined;
  }
}

interface EmitteryLike {
  on(event: string, listener: (event: { data: number } | number) => void): void;
  emit(event: string, value: number): Promise<void>;
}
interface HookableLike {
  hook(event: string, listener: (value: number) => void): void;
  callHook(event: string, value: number): unknown;
}
interface TapableLike {
  tap(name: string, listener: (value: number) => void): void;
  call(value: number): void;
}

const newel: Publisher = {
  name: "newel bus",
  prepare: (listeners, listener) => {
    const bus = new Bus();
    for (let n = 0; n < listeners; n += 1) bus.subscribe("x", (value) => listener(value as number));
    return { once: () => bus.publish("x", 1), asynchronous: false };
  },
};

const newelAsync: Publisher = {
  name: "newel publishAsync",
  prepare: (listeners, listener) => {
    const bus = new Bus();
    for (let n = 0; n < listeners; n += 1) bus.subscribe("x", (value) => listener(value as number));
    return { once: () => bus.publishAsync("x", 1), asynchronous: true };
  },
};

const eventEmitter: Publisher = {
  name: "EventEmitter",
  prepare: (listeners, listener) => {
    const emitter = new EventEmitter().setMaxListeners(0);
    for (let n = 0; n < listeners; n += 1) emitter.on("x", (value: number) => listener(value));
    return { once: () => emitter.emit("x", 1), asynchronous: false };
  },
};

/** The installed peers, newel and EventEmitter first. */
export async function publishers(): Promise<Publisher[]> {
  const found = [eventEmitter, newel, newelAsync];
  const emittery = await peer("emittery");
  if (emittery !== undefined) {
    const Emittery = emittery["default"] as new () => EmitteryLike;
    found.push({
      name: "emittery",
      prepare: (listeners, listener) => {
        const emitter = new Emittery();
        for (let n = 0; n < listeners; n += 1) emitter.on("x", () => listener(1));
        return { once: () => emitter.emit("x", 1), asynchronous: true };
      },
    });
  }
  const hookable = await peer("hookable");
  if (hookable !== undefined) {
    const createHooks = hookable["createHooks"] as () => HookableLike;
    found.push({
      name: "hookable",
      prepare: (listeners, listener) => {
        const hooks = createHooks();
        for (let n = 0; n < listeners; n += 1) hooks.hook("x", (value) => listener(value));
        return { once: () => hooks.callHook("x", 1), asynchronous: true };
      },
    });
  }
  const tapable = await peer("tapable");
  if (tapable !== undefined) {
    const { SyncHook } = (tapable["default"] ?? tapable) as {
      SyncHook: new (args: string[]) => TapableLike;
    };
    found.push({
      name: "tapable",
      prepare: (listeners, listener) => {
        const hook = new SyncHook(["value"]);
        for (let n = 0; n < listeners; n += 1) hook.tap(`x${n}`, (value) => listener(value));
        return { once: () => hook.call(1), asynchronous: false };
      },
    });
  }
  return found;
}

const CHERRYPY = `
import time
from cherrypy.process.wspbus import Bus
for count in (1, 10, 100):
    bus = Bus()
    for n in range(count):
        bus.subscribe("x", lambda value: None)
    end = time.perf_counter() + 1
    done = 0
    while time.perf_counter() < end:
        for _ in range(100):
            bus.publish("x", 1)
        done += 100
    print(count, done)
`;

/** CherryPy's publishes a second by number of listeners; `undefined` where Python has no CherryPy. */
export function cherryPy(): Map<number, number> | undefined {
  const { status, stdout } = spawnSync("python3", ["-c", CHERRYPY], { encoding: "utf8" });
  if (status !== 0) return undefined;
  const rows = stdout.trim().split("\n");
  return new Map(rows.map((row) => row.split(" ").map(Number) as [number, number]));
}
