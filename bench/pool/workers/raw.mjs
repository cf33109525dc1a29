// The other end of the raw frames: every list is answered with one list.
import { Socket } from "node:net";

import { cutFrames, frameOf } from "../frames.mjs";
import { work } from "./work.mjs";

const socket = new Socket({ fd: 3, readable: true, writable: true });
socket.on(
  "data",
  cutFrames((entries) => {
    for (const entry of entries) entry[1] = work(entry[1]);
    socket.write(frameOf(entries));
  }),
);
socket.on("end", () => process.exit());
