// A bus with nothing to do: how often its main thread wakes up.
import { Bus } from "../../src/bus/bus.ts";
import { signals } from "../../src/bus/plugins/signals.ts";

const bus = new Bus();
signals(bus);
await bus.start();
process.stdout.write("READY\n");
await bus.block();
