// The broker: a child process of the bank, with its own bus.
import { Bus, joinParent, signals } from "../../src/bus/index.ts";
import type { Order } from "./orders.ts";

interface BrokerChannels {
  order(order: Order): void;
}

const bus = new Bus<BrokerChannels>({ name: "Broker" });
// Ctrl-C reaches both processes; a joined child leaves it to its parent, which ends it after the last order.
signals(bus);
joinParent(bus, { channels: ["order"] });

let done = 0;
bus.subscribe("order", ({ side, amount, code }) => {
  done += 1;
  bus.log(`${side} order carried out: ${amount} ${code}`);
});
bus.subscribe("stop", () => bus.log(`${done} orders carried out in all`));

await bus.start();
await bus.block();
