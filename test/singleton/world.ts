import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { cleanUp, temporaryDirectory, type Scope } from "../helpers/resources.ts";
import { endKernelOf } from "./kernel-of.ts";

/** A home for one test; its processes end with the test. */
export function singletonHome(scope: Scope): string {
  const home = temporaryDirectory(scope);
  cleanUp(scope, () => endKernelOf(home));
  return home;
}

/** A member that must leave before its home is removed. */
export function leaving<T extends { leave(): Promise<void> }>(scope: Scope, proxy: T): T {
  cleanUp(scope, () => proxy.leave());
  return proxy;
}

/**
 * Starts another member process; `program` is one of fixtures/, its argument the JSON of `options`.
 *
 * @returns the process, and the first message it sent
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows what its program says
export async function otherProcess<Said = { readonly isOwner: boolean }>(
  scope: Scope,
  program: string,
  options: object,
): Promise<{ readonly child: ChildProcess; readonly said: Said }> {
  const path = fileURLToPath(new URL(`fixtures/${program}.ts`, import.meta.url));
  // Its warnings are not those of this run.
  const quiet = [
    "NEWEL_E_SECRET",
    "NEWEL_E_REFUSED_UID",
    "NEWEL_E_NOT_KEPT",
    "NEWEL_W_SINGLETON_ARGS",
  ];
  const execArgv = quiet.map((code) => `--disable-warning=${code}`);
  const child = fork(path, [JSON.stringify(options)], { execArgv });
  cleanUp(scope, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const [said] = (await once(child, "message")) as [Said];
  return { child, said };
}
