import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import type { Subject } from "./run.ts";
import { breakSource, type SourceEdit } from "../../helpers/broken-source.ts";

const SOURCES = fileURLToPath(new URL("../../../src/", import.meta.url));

/** A mistake that could be made in the bus, as an edit of its source. */
interface Variant extends SourceEdit {
  readonly file: string;
}

/** The rules must find each of them. */
export const VARIANTS: readonly Variant[] = [
  {
    name: "start listeners run although an exit was asked for in the channel starting",
    file: "lifecycle/machine.ts",
    from: '    case "starting":\n      if (leaves)',
    to: '    case "starting":\n      if (leaves && ran !== undefined)',
  },
  {
    name: "a start is accepted during the shutdown",
    file: "lifecycle/machine.ts",
    from: 'return state === "idle" && !wanted.exit && !wanted.stop ?',
    to: 'return state === "idle" ?',
  },
  {
    name: "an exit after a stop runs no stop listeners",
    file: "lifecycle/machine.ts",
    from: "hasStopped: wanted.exit }",
    to: "hasStopped: true }",
  },
  {
    name: "a code of 0 hides a later one",
    file: "lifecycle/machine.ts",
    from: "  if ((present ?? EXIT_CODES.ok) !== EXIT_CODES.ok || asked === undefined) return present;",
    to: "  if (present !== undefined || asked === undefined) return present;",
  },
  {
    name: "a graceful continues after a stop was asked for",
    file: "lifecycle/machine.ts",
    from: ' || running === "restart" || running === "graceful";',
    to: ' || running === "restart";',
  },
  {
    name: "a call meets the state between the end of its listeners and the next move",
    file: "lifecycle/driver.ts",
    from: "      else this.#ended(action.step, await this.#begin(action.step));",
    to: "      else await this.#begin(action.step).then((outcome) => this.#ended(action.step, outcome));",
  },
  {
    name: "a call from inside a listener waits for the step that waits for it",
    file: "lifecycle/steps.ts",
    from: "    return this.#inside.getStore()?.active ?? false;",
    to: "    return false;",
  },
  {
    name: "a wait for a state that is out of reach never settles",
    file: "lifecycle/waiters.ts",
    from: "      if (!waiter.states.some(canEnter)) waiter.reject(reason(waiter.states));",
    to: "      void reason;",
  },
  {
    name: "a stop that was asked for in the channel idle joins the one before",
    file: "lifecycle/turns.ts",
    from: "    const settled = this.#decidedBy(event).flatMap((step) => this.#take(step));",
    to: "    const settled = [() => void this.#decidedBy(event).map((step) => this.#take(step)[0]?.())];",
  },
  {
    name: "a failure is not logged",
    file: "publish.ts",
    from: "      onFailure(listener.name, failure.error);",
    to: "      void onFailure;",
  },
  {
    name: "main is published in every state",
    file: "bus.ts",
    from: "      wantsMain: () => isWorking(lifecycle.life) && ",
    to: "      wantsMain: () => ",
  },
  {
    name: "block() does not wait for tasks",
    file: "blocking.ts",
    from: "      else await this.#overAndEmpty();",
    to: "      else await undefined;",
  },
];

/** The bus of the repository. */
export async function soundBus(): Promise<Subject> {
  return subjectIn(SOURCES);
}

/**
 * The bus with a defect in it, loaded from a copy of its source.
 *
 * @param directory - where the copy is written
 */
export async function brokenBus(variant: Variant, directory: string): Promise<Subject> {
  for (const part of ["bus", "base"])
    cpSync(join(SOURCES, part), join(directory, part), { recursive: true });
  const file = join(directory, "bus", variant.file);
  breakSource(variant, file);
  return subjectIn(directory);
}

async function subjectIn(directory: string): Promise<Subject> {
  const url = (file: string): string => pathToFileURL(join(directory, "bus", file)).href;
  const [{ Bus }, { ExitRequest }] = (await Promise.all([
    import(url("bus.ts")),
    import(url("failures.ts")),
  ])) as [Pick<Subject, "Bus">, Pick<Subject, "ExitRequest">];
  return { Bus, ExitRequest };
}
