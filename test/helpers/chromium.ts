import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { type Browser, chromium } from "playwright-core";

import { NOBODY, nobodysDirectory } from "./as-nobody.ts";
import { cleanUp, eventually, type Scope, temporaryDirectory } from "./resources.ts";
import { sendSignal } from "./signals.ts";

/** Why tests that need a browser cannot run here, for `{ skip }`; `false` when they can. */
export const withoutChromium: string | false =
  spawnSync("sh", ["-c", "command -v chromium"]).status === 0
    ? false
    : "needs Chromium: apt-get install chromium";

/** No browser outlives this time, even if its test is killed. */
const LIMIT_SECONDS = 900;

/** Starts a separate Chromium for a test, with a separate profile; as root it runs as uid 65534. */
export async function startChromium(scope: Scope): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  const home = isRoot ? nobodysDirectory(scope) : temporaryDirectory(scope);
  // Its sandbox needs rights that a container does not give; the pages are only those of the tests.
  const words = `-k 1 ${LIMIT_SECONDS} chromium --headless --no-sandbox --disable-gpu --disable-breakpad
    --disable-dev-shm-usage --no-first-run --remote-debugging-port=0 --user-data-dir=${home}/profile`;
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const child = spawn("timeout", [...words.split(/\s+/), "about:blank"], {
    ...user,
    cwd: "/",
    env: { PATH: process.env["PATH"] ?? "", HOME: home },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let printed = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const exited = once(child, "exit");
  cleanUp(scope, async () => {
    await Promise.race([exited, sleep(2_000)]);
    if (child.exitCode !== null || child.signalCode !== null) return;
    // The browser leads a process group, in which all its processes are.
    sendSignal(-(child.pid ?? 0), "SIGKILL");
    await exited;
  });
  const address = await eventually(
    () => /DevTools listening on (ws:\S+)/.exec(printed)?.[1],
    `Chromium starts: ${printed}`,
    30_000,
  );
  const browser = await chromium.connectOverCDP(address);
  cleanUp(scope, async () => {
    const session = await browser.newBrowserCDPSession();
    await session.send("Browser.close");
  });
  return browser;
}
