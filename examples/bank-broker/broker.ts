// The broker: a child process of the bank, on a bus of its own.
import { Bus, joinParent, signals } from "../../src/bus/index.ts";
import type { Order } from "./orders.ts";

interface BrokerChannels {
  order(order: Order): void;
}

const bus = new Bus<BrokerChannels>({ name: "Broker" });
// Ctrl-C reaches both processes; the bank tells when to end, after the last order.
signals(bus, { map: { SIGINT: "ignore" } });
joinParent(bus, { channels: ["order"] });

let done = 0;
bus.subscribe("order", ({ side, amount, code }) => {
  done += 1;
  bus.log(`${side} order carried out: ${amount} ${code}`);
});
bus.subscribe("stop", () => bus.log(`${done} orders carried out in all`));

await bus.start();
await bus.block();
