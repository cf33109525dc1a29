// The same with close-with-grace, whose path is the argument.
import { setTimeout as later } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const path = process.argv[2] ?? "close-with-grace";
const module = (await import(pathToFileURL(path).href)) as {
  default: (close: () => Promise<void>) => void;
};
module.default(async () => {
  await later(10);
});
setInterval(() => undefined, 60_000);
process.stdout.write("READY\n");
