import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { abstractName } from "../../src/singleton/engines/address.ts";
import { identify } from "../../src/singleton/identity.ts";
import { singleton } from "../../src/singleton/index.ts";
import { eventually, type Scope } from "../helpers/resources.ts";
import { Parser } from "./fixtures/parser.ts";
import { Store } from "./fixtures/store.ts";
import { leaving, otherProcess, singletonHome } from "./world.ts";

const never = (): Promise<never> => new Promise(() => undefined);

test("lateInit() that hangs ends with its time limit, and the next attempt may succeed", async (t) => {
  const home = singletonHome(t);
  let hangs = true;
  const signals: AbortSignal[] = [];
  class Moody {
    async lateInit(own: { readonly signal: AbortSignal }): Promise<void> {
      signals.push(own.signal);
      if (hangs) await never();
    }
    answer(): number {
      return 42;
    }
  }
  const options = { name: "moody", home, timeoutMs: 5_000 };
  await assert.rejects(singleton(Moody, options), {
    code: /NEWEL_E_(NO_OWNER|DEADLINE)/,
    message: /lateInit\(\)/,
  });
  assert.equal(signals[0]?.aborted, true, "its ownership has ended");
  hangs = false;
  const moody = leaving(t, await singleton(Moody, { ...options, timeoutMs: 30_000 }));
  assert.equal(await moody.answer(), 42);
});

test("leave() resolves although the disposal of the instance hangs", async (t) => {
  const home = singletonHome(t);
  class Stubborn {
    answer(): number {
      return 42;
    }
    async [Symbol.asyncDispose](): Promise<void> {
      await never();
    }
  }
  const options = { name: "stubborn", home, timeoutMs: 5_000 };
  const first = await singleton(Stubborn, options);
  await first.leave();
  const second = await singleton(Stubborn, options);
  assert.equal(await second.answer(), 42);
  await second.leave();
});

test("another class under the same name is refused, with both names", async (t) => {
  const home = singletonHome(t);
  const { child } = await otherProcess(t, "owner", { name: "numbers", home });
  class Invoices {
    increment(): string {
      return "invoice 1";
    }
  }
  const refused = {
    code: "NEWEL_E_SINGLETON_CLASS",
    message: /has the class Counter, but this process uses the class Invoices/,
  };
  await assert.rejects(singleton(Invoices, { name: "numbers", home }), refused);
  // A process of this class does not follow a dead owner of the other class either.
  child.kill("SIGKILL");
  await once(child, "exit");
  await assert.rejects(singleton(Invoices, { name: "numbers", home }), refused);
  const named = { name: "numbers", home, className: "Counter" };
  const counter = leaving(t, await singleton(Invoices, named));
  assert.equal(await counter.increment(), "invoice 1");
});

test("a method that the owner lacks rejects with its release, and no other call does", async (t) => {
  const home = singletonHome(t);
  await otherProcess(t, "store-owner", { name: "store", home });
  const Newer = class Store {
    subscribers(): number {
      return 0;
    }
    added(): number {
      return 1;
    }
    async *addedStream(): AsyncGenerator<number> {
      yield 1;
    }
  };
  const store = leaving(t, await singleton(Newer, { name: "store", home }));
  assert.equal(await store.subscribers(), 0);
  const lacks = { code: "NEWEL_E_OWNER_LACKS", message: /added.*pid \d+, class Store, in \// };
  await assert.rejects(store.added(), lacks);
  await assert.rejects(store.with({ timeoutMs: 5_000 }).added(), lacks);
  await assert.rejects(store.addedStream().next(), lacks);
});

test("inherited methods, fields that are functions and declared streams can be called", async (t) => {
  const home = singletonHome(t);
  const use = async (own: boolean): Promise<void> => {
    const store = await singleton(Store, { name: "store", home, own });
    assert.equal(await store.inherited(), "inherited");
    assert.equal(await store.arrow(1), 2);
    assert.equal(await store.with({ key: "once" }).put("x"), "x");
    assert.deepEqual(await Array.fromAsync(store.generated(3)), [0, 1, 2]);
    assert.deepEqual(await Array.fromAsync(store.follow()), [0, 1]);
    await store.leave();
  };
  await use(true);
  await otherProcess(t, "store-owner", { name: "store", home });
  await use(false);
});

test("a class that declares a method it lacks is refused when it is made", async (t) => {
  const home = singletonHome(t);
  const Wrong = Object.assign(
    class Wrong {
      put(): void {}
    },
    { exposes: ["absent"] },
  );
  await assert.rejects(singleton(Wrong as unknown as typeof Store, { name: "wrong", home }), {
    code: "NEWEL_E_CONTRACT",
    message: /absent/,
  });
});

test("an idempotent call that ends its owners is made at most three times", async (t) => {
  const home = singletonHome(t);
  const children = [];
  for (let index = 0; index < 5; index += 1)
    children.push((await otherProcess(t, "poison", { name: "parser", home })).child);
  const parser = leaving(t, await singleton(Parser, { name: "parser", home, own: false }));
  await assert.rejects(parser.with({ key: "order 7" }).parse("bad"), {
    code: "NEWEL_E_OWNER_LOST",
  });
  assert.equal(await parser.parse("good"), "good");
  assert.equal(children.filter(({ signalCode }) => signalCode === "SIGKILL").length, 3);
});

test("a call of an owner that answers no heartbeat rejects, with both engines", async (t) => {
  const home = singletonHome(t);
  for (const engine of ["socket", "kernel"] as const) {
    const options = { name: `blocked-${engine}`, home, engine };
    await otherProcess(t, "poison", options);
    const parser = leaving(
      t,
      await singleton(Parser, { ...options, own: false, unresponsiveMs: 2_000 }),
    );
    await assert.rejects(parser.block(), {
      code: "NEWEL_E_OWNER_SILENT",
      message: /no heartbeat for 2000 ms/,
    });
  }
});

test("the owner is notified when a subscriber dies", async (t) => {
  const home = singletonHome(t);
  await otherProcess(t, "store-owner", { name: "store", home });
  const store = leaving(t, await singleton(Store, { name: "store", home }));
  const { child } = await otherProcess(t, "subscriber", { name: "store", home });
  assert.equal(await store.subscribers(), 1);
  child.kill("SIGKILL");
  await eventually(async () => (await store.subscribers()) === 0, "the dead subscriber is dropped");
});

test("the address has a random part that other users cannot read", async (t) => {
  const [home, other] = [singletonHome(t), singletonHome(t)];
  const name = abstractName(identify({ name: "room" }, homeAt(home)));
  assert.equal(name, abstractName(identify({ name: "room" }, homeAt(home))));
  assert.notEqual(name, abstractName(identify({ name: "room" }, homeAt(other))));
  const directory = join(home, "singleton");
  assert.deepEqual(readdirSync(directory), ["address-key"]);
  assert.equal(statSync(join(directory, "address-key")).mode & 0o777, 0o600);
  assert.match(readFileSync(join(directory, "address-key"), "utf8"), /^[\da-f]{32}$/);
});

test("calls of a serial class run one at a time, in order", async (t) => {
  const home = singletonHome(t);
  class Steps {
    static readonly serial = true;
    readonly #log: string[] = [];
    async step(name: string): Promise<string[]> {
      this.#log.push(`${name} begins`);
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
      if (name === "bad") throw new Error("bad");
      this.#log.push(`${name} ends`);
      return this.#log;
    }
    async again(): Promise<unknown> {
      return steps.step("inner");
    }
  }
  const steps = leaving(t, await singleton(Steps, { name: "steps", home }));
  const controller = new AbortController();
  const calls = [
    steps.step("a"),
    steps.step("bad"),
    steps.with({ signal: controller.signal }).step("cancelled"),
    steps.step("b"),
  ];
  controller.abort();
  const outcomes = await Promise.allSettled(calls);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "rejected", "rejected", "fulfilled"],
  );
  assert.deepEqual(await steps.step("c"), [
    "a begins",
    "a ends",
    "bad begins",
    "b begins",
    "b ends",
    "c begins",
    "c ends",
  ]);
  await assert.rejects(steps.again(), { code: "NEWEL_E_SINGLETON", message: /wait for it/ });
});

async function portOf(t: Scope, greeting: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (greeting !== "") socket.end(greeting);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => void server.close());
  return (server.address() as AddressInfo).port;
}

test("a port that another program uses is reported as such", async (t) => {
  const home = singletonHome(t);
  const port = await portOf(t, "HTTP/1.1 400 Bad Request\r\n\r\n");
  await assert.rejects(singleton(Parser, { name: "web", home, port, timeoutMs: 20_000 }), {
    code: "NEWEL_E_FRAME",
    message: /began with "HTTP\/1\.1 400 Bad Request", so it is another program/,
  });
  await assert.rejects(singleton(Parser, { name: "web", home, port, secret: "s" }), {
    code: "NEWEL_E_SECRET",
    message: /does not speak TLS/,
  });
  const silent = await portOf(t, "");
  await assert.rejects(singleton(Parser, { name: "web", home, port: silent, timeoutMs: 3_000 }), {
    code: /NEWEL_E_(NO_OWNER|UNREACHABLE)/,
    message: /HELLO/,
  });
});
