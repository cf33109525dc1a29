// Says READY, then ends on SIGTERM after one listener of 10 ms.
import { setTimeout as later } from "node:timers/promises";

import { Bus } from "../../src/bus/bus.ts";
import { signals } from "../../src/bus/plugins/signals.ts";

const bus = new Bus();
signals(bus);
bus.subscribe("stop", () => later(10));
await bus.start();
process.stdout.write("READY\n");
await bus.block();
