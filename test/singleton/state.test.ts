import assert from "node:assert/strict";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { ownership, singleton, type Ownership } from "../../src/singleton/index.ts";
import { Replies } from "../../src/singleton/replies.ts";
import { cleanUp, eventually } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { Counter, LastingCounter } from "./fixtures/counter.ts";
import { leaving, otherProcess, singletonHome } from "./world.ts";

test("the state passes from owner to owner, whether the owner is killed or leaves", async (t) => {
  const home = singletonHome(t);
  const { child } = await otherProcess(t, "candidate", { name: "counter", home });
  const counter = leaving(t, await singleton(LastingCounter, { name: "counter", home }));
  assert.equal(await counter.increment(5), 5);
  assert.equal(await counter.add(2), 7);
  child.kill("SIGKILL");
  assert.equal(await counter.increment(), 8);
  assert.deepEqual([counter.isOwner, counter.epoch], [true, 2]);
  await counter.leave();
  const again = leaving(t, await singleton(LastingCounter, { name: "counter", home }));
  assert.deepEqual([await again.get(), again.epoch], [8, 3]);
});

test("writes of a superseded owner are refused, and it stops answering", async (t) => {
  const home = singletonHome(t);
  const { child } = await otherProcess(t, "candidate", { name: "counter", home });
  const counter = leaving(t, await singleton(LastingCounter, { name: "counter", home }));
  const late = await otherProcess<{ readonly ready: true }>(t, "late-writer", {
    name: "counter",
    home,
  });
  assert.equal(await counter.increment(), 1);
  const { epoch: before } = await counter.who();
  child.kill("SIGSTOP");
  const kernel = await connectKernel({ home: homeAt(home) });
  cleanUp(t, () => kernel.close());
  await kernel.claims.release("singleton/counter");
  await eventually(() => counter.epoch > before, "another owner");
  assert.equal(await counter.increment(), 2);
  // The stopped owner continues, with a call that it had not read.
  const rejected = new Promise<{ readonly code: string }>((resolve) => {
    late.child.once("message", (said: { code: string }) => resolve(said));
  });
  child.kill("SIGCONT");
  assert.match((await rejected).code, /NEWEL_E_(SUPERSEDED|OWNER_LOST)/);
  const saved = (await kernel.values.get("singleton/counter")) ?? "";
  assert.equal((JSON.parse(saved) as { state: { count: number } }).state.count, 2);
  assert.equal(await counter.get(), 2);
});

test("an owner survives the death of the kernel", async (t) => {
  const home = singletonHome(t);
  const { child } = await otherProcess(t, "candidate", { name: "counter", home });
  const counter = leaving(t, await singleton(LastingCounter, { name: "counter", home }));
  assert.equal(await counter.increment(), 1);
  const kernel = await connectKernel({ home: homeAt(home) });
  const { pid } = await kernel.status();
  await kernel.close();
  sendSignal(pid, "SIGKILL");
  assert.equal(await counter.increment(), 2);
  assert.deepEqual(await counter.who(), { epoch: 1, pid: child.pid });
  // State that was saved in between is available to the next owner.
  child.kill("SIGKILL");
  assert.equal(await counter.increment(), 3);
  assert.deepEqual([counter.isOwner, counter.epoch], [true, 2]);
});

test("the kernel refuses a value whose claim is held with another number", async (t) => {
  const home = singletonHome(t);
  const kernel = await connectKernel({ home: homeAt(home) });
  cleanUp(t, () => kernel.close());
  const { epoch, signal } = await kernel.claim("lock");
  await kernel.values.set("state", "1", { claim: "lock", epoch });
  await kernel.claims.release("lock");
  await eventually(() => signal.aborted, "the holder was told");
  const late = { code: "NEWEL_E_SUPERSEDED" };
  await assert.rejects(kernel.values.set("state", "2", { claim: "lock", epoch }), late);
  const next = await kernel.claim("lock");
  assert.equal(next.epoch, epoch + 2);
  await assert.rejects(kernel.values.set("state", "2", { claim: "lock", epoch }), late);
  await kernel.values.set("state", "3", { claim: "lock", epoch: next.epoch });
  assert.equal(await kernel.values.get("state"), "3");
});

test("with a key a call takes effect once, also when another process repeats it", async (t) => {
  const home = singletonHome(t);
  const { child } = await otherProcess(t, "candidate", { name: "counter", home });
  const counter = leaving(t, await singleton(LastingCounter, { name: "counter", home }));
  assert.equal(await counter.with({ key: "order 7" }).increment(), 1);
  assert.equal(await counter.with({ key: "order 7" }).increment(), 1);
  child.kill("SIGKILL");
  assert.equal(await counter.with({ key: "order 7" }).increment(), 1);
  assert.equal(await counter.with({ key: "order 8" }).increment(), 2);
  assert.equal(await counter.increment(), 3);
  await assert.rejects(counter.with({ key: "k".repeat(2_000) }).increment(), {
    code: "NEWEL_E_CONTRACT",
  });
});

test("an instance knows its ownership: name, key, epoch, its end", async (t) => {
  const home = singletonHome(t);
  const seen: (Ownership | undefined)[] = [];
  class Room {
    readonly #made = ownership();
    #late: Ownership | undefined;
    #restored = "nothing";
    constructor() {
      seen.push(this.#made);
    }
    restore(state: { said: string }): void {
      this.#restored = state.said;
    }
    async lateInit(own: Ownership): Promise<void> {
      await Promise.resolve();
      this.#late = own;
    }
    save(): { said: string } {
      return { said: `by epoch ${this.#made.epoch}` };
    }
    tell(): unknown[] {
      return [this.#made.name, this.#made.key, this.#late?.epoch, this.#restored];
    }
  }
  const options = { name: "room", key: "blue/1", home };
  const first = leaving(t, await singleton(Room, options));
  assert.deepEqual(await first.tell(), ["room", "blue/1", 1, "nothing"]);
  assert.equal(seen[0]?.signal.aborted, false);
  await first.leave();
  assert.equal(seen[0]?.signal.aborted, true);
  const second = leaving(t, await singleton(Room, options));
  assert.deepEqual(await second.tell(), ["room", "blue/1", 2, "by epoch 1"]);
  assert.equal(ownership().epoch, 0);
});

test("state that JSON would change is refused, not changed", async (t) => {
  const home = singletonHome(t);
  class Dated {
    #when: unknown = null;
    set(isBad: boolean): void {
      this.#when = isBad ? new Date(0) : "1970";
    }
    save(): unknown {
      return { when: this.#when };
    }
    restore(): void {}
  }
  const dated = leaving(t, await singleton(Dated, { name: "dated", home }));
  await dated.set(false);
  await assert.rejects(dated.set(true), { code: "NEWEL_E_SINGLETON_STATE" });
  await dated.set(false);
  await assert.rejects(singleton(Dated, { name: "other", home, engine: "socket" }), {
    code: "NEWEL_E_SINGLETON",
  });
});

test("keyed instances have separate owners, and are released when idle with their state saved", async (t) => {
  const home = singletonHome(t);
  let instances = 0;
  class Room {
    #said: string[] = [];
    constructor() {
      instances += 1;
    }
    say(word: string): number {
      return this.#said.push(word);
    }
    all(): string[] {
      return this.#said;
    }
    save(): string[] {
      return this.#said;
    }
    restore(said: string[]): void {
      this.#said = said;
    }
    [Symbol.dispose](): void {
      instances -= 1;
    }
  }
  const open = async (key: string) =>
    leaving(t, await singleton(Room, { name: "room", key, home, idleMs: 50 }));
  const rooms = await Promise.all(["a", "b", "c"].map(open));
  assert.equal(instances, 3);
  for (const [index, room] of rooms.entries()) await room.say(`hello ${index}`);
  await eventually(() => instances === 0, "all are idle");
  assert.deepEqual(
    rooms.map(({ isOwner }) => isOwner),
    [false, false, false],
  );
  assert.equal(await rooms[1]?.say("again"), 2);
  assert.equal(instances, 1);
  assert.deepEqual(await rooms[1]?.all(), ["hello 1", "again"]);
});

test("a step of the wall clock drops no reply, in one owner or between two", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000_000 });
  const replies = new Replies("counter");
  let runs = 0;
  const run = (): number => (runs += 1);
  const kept = async (): Promise<void> => undefined;
  await replies.once(["me", 1, 1], run, kept);
  t.mock.timers.setTime(1_003_600_000);
  await replies.once(["you", 1, 1], run, kept);
  assert.equal(await replies.once(["me", 1, 1], run, kept), 1);
  const heir = new Replies("counter");
  heir.restore(JSON.parse(JSON.stringify(replies)));
  t.mock.timers.setTime(1_010_000_000);
  await heir.once(["new", 1, 1], run, kept);
  await heir.once(["newer", 1, 1], run, kept);
  assert.equal(await heir.once(["me", 1, 1], run, kept), 1);
  assert.equal(await heir.once(["you", 1, 1], run, kept), 2);
});

test("a reply is kept until its caller has it, and no longer", async () => {
  const replies = new Replies("counter");
  let runs = 0;
  const run = (): number => (runs += 1);
  const kept = async (): Promise<void> => undefined;
  assert.equal(await replies.once(["me", 1, 1], run, kept), 1);
  assert.equal(await replies.once(["me", 1, 1], run, kept), 1);
  assert.equal(await replies.once(["you", 1, 1], run, kept), 2);
  const heir = new Replies("counter");
  heir.restore(JSON.parse(JSON.stringify(replies)));
  assert.equal(await heir.once(["me", 1, 1], run, kept), 1);
  assert.equal(await heir.once(["me", 2, 2], run, kept), 3);
  assert.equal(JSON.stringify(heir).includes('[1,{"json":"1"}]],["me"'), false);
  assert.equal(await heir.once(["me", 1, 1], run, kept), 4);

  const failing = (): never => {
    throw Object.assign(new RangeError("no"), { code: "E_NO" });
  };
  for (let again = 0; again < 2; again += 1)
    await assert.rejects(heir.once("key", failing, kept), { name: "RangeError", code: "E_NO" });
  const lost = (): Promise<never> => Promise.reject(new Error("not kept"));
  await assert.rejects(heir.once("other", run, lost), /not kept/);
  assert.equal(await heir.once("other", run, kept), 6);
});

test("a counter without save keeps no state", async (t) => {
  const home = singletonHome(t);
  const first = leaving(t, await singleton(Counter, { name: "counter", home, engine: "kernel" }));
  await first.increment(5);
  await first.leave();
  const second = leaving(t, await singleton(Counter, { name: "counter", home, engine: "kernel" }));
  assert.equal(await second.get(), 0);
});
