import { hasCode, newelError } from "../base/errors.ts";
import { findHome, type Home } from "../base/home.ts";
import { isRunning, type StagedBuild } from "../base/runtime.ts";
import { sleep } from "../base/timers.ts";
import { connectSupervisor } from "../supervisor/client.ts";
import type { Context } from "./command.ts";
import { pidIn, replaceSupervisor } from "./gone-node.ts";
import { findKernel, findSupervisor, type SupervisorConnection } from "./reach.ts";

/** How long a daemon may take to answer as the new one, in milliseconds. */
const ANSWER_MS = 30_000;
const POLL_MS = 50;
/** After how long a command says what it waits for, in milliseconds. */
const NOTE_MS = 2_000;

/** A daemon that was moved to another build, or to another Node.js. */
export interface Move {
  readonly pid: number;
  readonly from: string;
  readonly to: string;
}

/** The result of a move for each daemon of a home; `null` for a daemon that did not run. */
export interface Moves {
  readonly kernel: Move | null;
  readonly supervisor: Move | null;
}

/**
 * Replaces kernel and supervisor by a build that runs with the caller's Node.js; no service restarts. Both are
 * tried before either is replaced.
 *
 * @throws NEWEL_E_UPGRADE_REFUSED when the build cannot take over; the former build continues
 */
export async function moveDaemons(context: Context, build: StagedBuild): Promise<Moves> {
  const home = findHome(context.environment);
  const { trySupervisor } = await import("../supervisor/replacement.ts");
  await trySupervisor({ node: process.execPath, program: build.program("supervisor/main") }, home);
  const kernel = await moveKernel(context, build);
  build.activate();
  return { kernel, supervisor: await moveSupervisor(context, build) };
}

/** Replaces the kernel alone. */
export async function moveKernel(context: Context, build: StagedBuild): Promise<Move | null> {
  const kernel = await findKernel(context);
  if (kernel === undefined) return null;
  try {
    const { version: from } = await kernel.status();
    const program = build.program("kernel/main");
    const { version: to, pid } = await kernel.upgrade({ node: process.execPath, program });
    return { pid, from, to };
  } finally {
    await kernel.close();
  }
}

async function moveSupervisor(context: Context, build: StagedBuild): Promise<Move | null> {
  const home = findHome(context.environment);
  const running = await findSpeaking(context, home);
  if (running === undefined) return null;
  const from = running === "foreign" ? "another protocol" : (await running.remote.hello()).version;
  if (running === "foreign") await endForeign(home);
  const program = build.program("supervisor/main");
  // It ends what it does first, so that no command loses its answer.
  const note = setTimeout(() => {
    context.output.say("Waits until the commands under way are done.");
  }, NOTE_MS);
  const replaced = await (
    running === "foreign"
      ? connectSupervisor({ home, timeoutMs: ANSWER_MS })
      : replaceSupervisor(home, running, { node: process.execPath, program })
  ).finally(() => clearTimeout(note));
  try {
    const { pid, version: to } = await replaced.remote.hello();
    return { pid, from, to };
  } finally {
    await replaced.close();
  }
}

/** The running supervisor, or the fact that it speaks a protocol this version does not. */
async function findSpeaking(
  context: Context,
  home: Home,
): Promise<SupervisorConnection | "foreign" | undefined> {
  try {
    return await findSupervisor(context);
  } catch (error) {
    const isForeign = hasCode(error, "NEWEL_E_VERSION_SKEW");
    if (isForeign && pidIn(home.supervisorLock) !== undefined) return "foreign";
    throw error;
  }
}

/** Ends a supervisor of another protocol by a signal; its services keep running. */
async function endForeign(home: Home): Promise<void> {
  const pid = pidIn(home.supervisorLock);
  if (pid === undefined) return;
  process.kill(pid, "SIGTERM");
  const until = performance.now() + ANSWER_MS;
  while (isRunning(pid)) {
    if (performance.now() > until) {
      const why = `the supervisor (pid ${pid}) did not end within ${ANSWER_MS / 1000} s`;
      throw newelError("NEWEL_E_UPGRADE_REFUSED", { program: `of pid ${pid}`, why });
    }
    await sleep(POLL_MS);
  }
}
