// The other thread of comlink's measurement.
import { parentPort } from "node:worker_threads";

import { peer } from "../bus/peers.ts";
import type { Comlink } from "./peer-types.ts";

const comlink = (await peer("comlink")) as Comlink | undefined;
const adapter = (await peer("comlink/dist/esm/node-adapter.mjs")) as
  | { default(port: unknown): unknown }
  | undefined;
if (comlink !== undefined && adapter !== undefined)
  comlink.expose(
    { add: (left: number, right: number): number => left + right },
    adapter.default(parentPort),
  );
