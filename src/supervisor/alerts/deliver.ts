import { spawn } from "node:child_process";

import { messageOf, systemCode } from "../../base/errors.ts";
import { sleep } from "../../base/timers.ts";
import type { Alert } from "./alert.ts";

/** The time of a command. */
const COMMAND_MS = 30_000;
/** The time of one attempt of a webhook, and the pauses before the next ones. */
const POST_MS = 10_000;
const PAUSES_MS = [1_000, 5_000];
const SHOWN_CHARACTERS = 200;

/** The place of a command, and its variables without those of the alert. */
export interface Place {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Runs the command of an alert in its own process group, which is killed when its time is over or the signal aborts.
 *
 * @returns how it failed, as the rest of a sentence; `undefined` when it ended with 0
 */
export async function runAlertCommand(
  words: readonly string[],
  alert: Alert,
  { cwd, env }: Place,
  signal: AbortSignal,
): Promise<string | undefined> {
  const [program = "", ...args] = words;
  const variables = {
    NEWEL_ALERT: alert.alert,
    NEWEL_ALERT_APP: alert.app,
    NEWEL_ALERT_SERVICE: alert.service ?? "",
    NEWEL_ALERT_TEXT: alert.text,
  };
  const child = spawn(program, args, {
    cwd,
    env: { ...env, ...variables },
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (piece: Buffer) => {
    said = (said + piece.toString("utf8")).slice(-SHOWN_CHARACTERS);
  });
  // A command need not read its input.
  child.stdin.on("error", () => undefined);
  child.stdin.end(`${JSON.stringify(alert)}\n`);
  let isLate = false;
  const kill = (): void => killGroup(child.pid);
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, COMMAND_MS);
  signal.addEventListener("abort", kill, { once: true });
  try {
    return await new Promise<string | undefined>((resolve) => {
      child.once("error", (error) => resolve(`its command cannot be run: ${error.message}`));
      child.once("exit", (code, by) => {
        if (isLate) resolve(`its command did not end within ${COMMAND_MS} ms`);
        else resolve(code === 0 ? undefined : endText(code, by, said));
      });
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
    child.stderr.destroy();
  }
}

function endText(code: number | null, by: string | null, said: string): string {
  const how = code === null ? `by ${by}` : `with exit code ${code}`;
  const last = (said.trim().split("\n").at(-1) ?? "").replaceAll(/\p{Cc}+/gu, " ");
  return `its command ended ${how}${last === "" ? "" : `: ${last}`}`;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // It has just ended by itself.
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

/**
 * Posts an alert as JSON, up to three times.
 *
 * @returns how the last attempt failed; it names the host alone, because the path of a webhook is often a secret
 */
export async function post(
  url: string,
  alert: Alert,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let attempt = 0; ; attempt += 1) {
    const failure = await postOnce(url, alert, signal);
    const pauseMs = PAUSES_MS[attempt];
    if (failure === undefined || pauseMs === undefined || signal.aborted) return failure;
    await sleep(pauseMs, signal);
  }
}

async function postOnce(
  url: string,
  alert: Alert,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { host } = new URL(url);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(alert),
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(POST_MS)]),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `${host} answered ${response.status}`;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const why = systemCode(cause) ?? messageOf(cause ?? error);
    return `${host} did not take it: ${why.replaceAll(url, host)}`;
  }
}
