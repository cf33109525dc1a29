// The bus's types, checked by the compiler alone.
import { Bus, type Listener, pidfile, signals } from "../../src/bus/index.ts";
import type { Equal, Expect } from "./expect.ts";

interface BankChannels {
  order(order: { code: string; amount: number }): string;
  rate(code: string): Promise<number>;
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
  // A channel with asynchronous listeners: publish returns promises, publishAsync the resolved
  // values.
  bus.subscribe("rate", async (code) => code.length);
  // @ts-expect-error: the listener has to return a promise
  bus.subscribe("rate", (code) => code.length);
  const promises = bus.publish("rate", "NEWL");
  type Promises = Expect<Equal<typeof promises, Promise<number>[]>>;
  const rates = bus.publishAsync("rate", "NEWL");
  type Rates = Expect<Equal<typeof rates, Promise<number[]>>>;
  return void ([] as [Results?, Later?, Promises?, Rates?]);
}

export function pluginChannels(): void {
  const bus = new Bus<BankChannels>();
  bus.subscribe("childExit", ({ name, code, signal, expected }) => {
    type Code = Expect<Equal<typeof code, number | null>>;
    return [name, signal, expected] as [string, NodeJS.Signals | null, boolean, Code?];
  });
  bus.subscribe("startThread", (index, threadId) => index + threadId);
  bus.subscribe("stopThread", (index) => index.toFixed());
  bus.subscribe("handover", () => ({ socket: 3 }));
  // @ts-expect-error: descriptors are numbers
  bus.subscribe("handover", () => ({ socket: "3" }));
  bus.subscribe("privileges", ({ uid, groups }) => groups.includes(uid));
  bus.subscribe("SIGTERM", () => undefined);
  bus.subscribe("SIGUSR2", async () => undefined);
  // @ts-expect-error: there is no such signal
  bus.subscribe("SIGNONSENSE", () => undefined);
  // A bus without types has them too.
  new Bus().subscribe("childExit", ({ pid }) => pid.toFixed());
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
