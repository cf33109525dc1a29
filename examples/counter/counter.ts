// One counter for every process of this machine. Start one in the background, then count from others:
//
//     node examples/counter/counter.ts &
//     for i in $(seq 1 10); do node examples/counter/counter.ts; done
//     kill %%
//
// (In a project of your own the import is from "newel/singleton".)
import { singleton } from "../../src/singleton/index.ts";

class Counter {
  #count: number;

  constructor(startValue: number) {
    this.#count = startValue;
  }

  increment(): void {
    this.#count += 1;
  }

  getCount(): number {
    return this.#count;
  }
}

const counter = await singleton(Counter, { name: "counter", args: [100] });

if (counter.createdNewInstance) {
  // The owner's process stays for as long as it owns.
  console.log("serving the counter, end me with Ctrl-C");
} else {
  await counter.increment();
  console.log(await counter.getCount());
}
