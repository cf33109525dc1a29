// Preloaded into a kernel: the longest time its main loop was blocked, in ms, written to the file
// LOOP_WATCH at the end. Time the thread waited for a processor is taken off: on a busy machine that
// is most of it, and not the program's doing.
import { openSync, readSync, writeFileSync } from "node:fs";

const TICK_MS = 2;
const file = process.env["LOOP_WATCH"];
delete process.env["LOOP_WATCH"];

if (file !== undefined) {
  const schedule = openSync("/proc/thread-self/schedstat", "r");
  const text = Buffer.alloc(128);
  const waitedMs = () => {
    const length = readSync(schedule, text, 0, text.length, 0);
    return Number(text.toString("latin1", 0, length).split(" ")[1]) / 1e6;
  };
  // Earlier delays belong to the start of the program.
  const WARM_UP_MS = 1_000;
  const begin = performance.now();
  let [atMs, waited, worstMs] = [begin, waitedMs(), 0];
  setInterval(() => {
    const [nowMs, nowWaited] = [performance.now(), waitedMs()];
    const blockedMs = nowMs - atMs - TICK_MS - (nowWaited - waited);
    if (nowMs - begin > WARM_UP_MS && blockedMs > worstMs) worstMs = blockedMs;
    [atMs, waited] = [nowMs, nowWaited];
  }, TICK_MS).unref();
  process.on("exit", () => writeFileSync(file, String(worstMs)));
}
