// A bank places random orders; a broker in a separate process carries them out.
// Run it with `node examples/bank-broker/bank.ts`, stop it with Ctrl-C: both end cleanly.
// (In a project of your own the import is from "newel/bus".)
import { Bus, logToStream, signals, startChild } from "../../src/bus/index.ts";
import { type Order, randomOrder } from "./orders.ts";

/** The channels of the bank's bus besides those every bus has. */
interface BankChannels {
  order(order: Order): void;
}

const bus = new Bus<BankChannels>({ name: "Bank" });
// The broker's log arrives here as well, under its own name.
logToStream(bus, process.stdout);
signals(bus);
startChild(bus, {
  name: "Broker",
  module: new URL("broker.ts", import.meta.url),
  channels: ["order"],
});

bus.subscribe("main", () => {
  if (bus.state !== "started") return;
  const order = randomOrder();
  bus.log(`Placing order: ${order.side} ${order.amount} ${order.code}`);
  bus.publish("order", order);
});

await bus.start();
await bus.block({ intervalMs: 10 });
