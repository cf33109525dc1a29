import { type Scope, startProcess } from "../helpers/resources.ts";

/** Longer than any run with hogs; then even a forgotten one ends. */
const LIMIT_MS = 30 * 60_000;

/** Starts programs that each want a processor all the time, until the scope ends. */
export function startHogs(scope: Scope, count: number): void {
  const code = `const end = Date.now() + ${LIMIT_MS}; while (Date.now() < end);`;
  for (let hog = 0; hog < count; hog += 1)
    startProcess(scope, process.execPath, ["-e", code], { stdio: "ignore" });
}
