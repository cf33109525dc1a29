// The bus's types, checked by the compiler alone.
import { Bus, type Listener, pidfile, signals } from "../../src/bus/index.ts";
import type { Equal, Expect } from "./expect.ts";

interface BankChannels {
  order(order: { code: string; amount: number }): string;
  closed(): void;
}

export function typedChannels(): void {
  const bus = new Bus<BankChannels>();
  bus.subscribe("order", ({ code, amount }) => code.repeat(amount));
  bus.subscribe("order", async ({ code }) => code);
  // @ts-expect-error: the listener's result has another type
  bus.subscribe("order", ({ amount }) => amount);
  // @ts-expect-error: there is no such channel
  bus.subscribe("ordr", () => undefined);
  // @ts-expect-error: an argument is missing
  bus.publish("order");
  // @ts-expect-error: an argument has another type
  bus.publish("order", { code: 1, amount: 2 });
  bus.publish("closed");

  const results = bus.publish("order", { code: "NEWL", amount: 1 });
  type Results = Expect<Equal<typeof results, string[]>>;
  const later = bus.publishAsync("order", { code: "NEWL", amount: 1 });
  type Later = Expect<Equal<typeof later, Promise<string[]>>>;
  return void ([] as [Results?, Later?]);
}

export function builtInChannels(): void {
  const bus = new Bus<BankChannels>();
  bus.subscribe("stop", ({ signal, limitMs }) => signal.aborted || limitMs > 0);
  bus.subscribe("log", ({ level, message }) => {
    type Level = Expect<Equal<typeof level, "debug" | "info" | "warn" | "error">>;
    return [message] as [string, Level?];
  });
  bus.publish("start");
  // @ts-expect-error: an entry is missing
  bus.publish("log");
  // A plugin takes a bus of any channels.
  signals(bus);
  pidfile(bus, "/run/x.pid");
}

export function openChannels(): void {
  const bus = new Bus();
  bus.subscribe("anything", (...args) => args.length);
  bus.publish("anything", 1, "two");
  type Given = Expect<Equal<Parameters<Listener<BankChannels, "order">>[0]["code"], string>>;
  return void ([] as Given[]);
}
