import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { cleanUp, temporaryDirectory, type Scope } from "../helpers/resources.ts";
import { endKernelOf } from "./kernel-of.ts";

/** A home of the test's own; what runs in it ends with the test. */
export function singletonHome(scope: Scope): string {
  const home = temporaryDirectory(scope);
  cleanUp(scope, () => endKernelOf(home));
  return home;
}

/** Something that takes part and has to leave before its home goes. */
export function leaving<T extends { leave(): Promise<void> }>(scope: Scope, proxy: T): T {
  cleanUp(scope, () => proxy.leave());
  return proxy;
}

/**
 * Another process that takes part; `program` is one of fixtures/, its argument the JSON of `options`.
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
  const child = fork(path, [JSON.stringify(options)]);
  cleanUp(scope, async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const [said] = (await once(child, "message")) as [Said];
  return { child, said };
}
