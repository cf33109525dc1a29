import { cpSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import type { ServiceMachine } from "../../src/supervisor/machine/service-machine.ts";
import type { MakeMachine } from "./world.ts";
import { breakSource, type SourceEdit } from "../helpers/broken-source.ts";

const SOURCES = fileURLToPath(new URL("../../src/", import.meta.url));
/** The files of the machine; types are erased, so nothing else is loaded. */
const PARTS = ["supervisor/machine", "supervisor/restart-policy.ts", "base"];

/** A mistake that could be made in the machine, as an edit of its source. */
interface Variant extends SourceEdit {
  readonly file: string;
}

/** Each of them has to be caught by an invariant. */
export const VARIANTS: readonly Variant[] = [
  {
    name: "a late replica counts as gone before its process tree is",
    file: "service-machine.ts",
    from: "    this.#table.stop(replica, reason);\n",
    to: "    this.#table.stop(replica, reason);\n    this.#gone(replica);\n",
  },
  {
    name: "a replica that ended is started again while its descendants live",
    file: "service-machine.ts",
    from: '    else this.#table.stop(replica, "cleanup");\n    if (isFailure)',
    to: "    else this.#table.forget(replica);\n    if (isFailure)",
  },
  {
    name: "a stop does not wait for the answer to the launch",
    file: "replica-table.ts",
    from: '    if (replica.launched || replica.exited) this.#parts.effect({ do: "stop", generation, now });',
    to: '    this.#parts.effect({ do: "stop", generation, now });',
  },
  {
    name: "a process that the supervisor does not know is not adopted",
    file: "reconcile.ts",
    from: "for (const each of running.sort((a, b) => a.generation - b.generation)) adopt(each, reconciler);",
    to: "void running;",
  },
  {
    name: "a replica that the kernel does not have is believed to run",
    file: "reconcile.ts",
    from: "    if (seen?.running !== true) ended(replica, seen?.exitCode ?? null);",
    to: "    if (seen?.running === false) ended(replica, seen.exitCode ?? null);",
  },
  {
    name: "a reload drains the old replica before the new one is ready",
    file: "operation.ts",
    from: "        return replicas.every(({ ready }) => ready);",
    to: "        return true;",
  },
  {
    name: "a held replica is never allowed to accept",
    file: "replica-table.ts",
    from: '    this.#parts.effect({ do: "accept", generation: replica.generation });',
    to: "    replica.held = false;",
  },
  {
    name: "a failed command leaves its settings in force",
    file: "operation.ts",
    from: "    if (this.#isTransaction) this.#controls.want(this.#former.spec, this.#former.wanted);",
    to: "    void this.#former;",
  },
  {
    name: "an adopted replica that is older than its time limit is late at once",
    file: "reconcile.ts",
    from: "nowMs + timeoutMs,",
    to: "nowMs + timeoutMs - ageMs,",
  },
  {
    name: "a stop ladder that the kernel did not answer is not tried again",
    file: "service-machine.ts",
    from: "    replica.stopAgainMs = this.#nowMs + STOP_AGAIN_MS;",
    to: "",
  },
  {
    name: "a stop does not take the place of the commands before it",
    file: "commands.ts",
    from: '    if (command.kind === "stop") {',
    to: '    if (command.kind === "stop" && id < 0) {',
  },
  {
    name: "a number is started again while its wait and its process tree overlap",
    file: "restart-tracker.ts",
    from: " || taken.has(number)) continue;",
    to: ") continue;",
  },
  {
    name: "a replica starts next to one that is stopped although two may not run at once",
    file: "converge.ts",
    from: "return wanted.replicas - table.all.length - completedNumbers(tracker).length;",
    to: "return wanted.replicas;",
  },
  {
    name: "failed checks count although others succeed between them",
    file: "fitness.ts",
    from: "    fitness.failures = 0;\n    return undefined;",
    to: "    return undefined;",
  },
  {
    name: "an unfit replica is stopped before another one serves",
    file: "plan-command.ts",
    from: '"start-first", [...all',
    to: '"stop-first", [...all',
  },
  {
    name: "a replacement that failed is not tried again",
    file: "unfit-replicas.ts",
    from: "    postpone(replica.fitness, nowMs());",
    to: "",
  },
  {
    name: "a replica that starts is judged, and its replacement has no effect",
    file: "unfit-replicas.ts",
    from: 'if (replica.phase !== "running") return;\n    const { machine, nowMs } = this.#parts;\n    this.#judge(replica, noteMemory',
    to: "const { machine, nowMs } = this.#parts;\n    this.#judge(replica, noteMemory",
  },
  {
    name: "a replacement takes the number of a replica that the restart policy decides about",
    file: "plan-command.ts",
    from: '"start-first", [...all, ...missing]);',
    to: '"start-first", all);\n  void missing;',
  },
];

/**
 * The machine with a mistake in it, loaded from a copy of its source.
 *
 * @param directory - where the copy is written
 */
export async function brokenMachine(variant: Variant, directory: string): Promise<MakeMachine> {
  for (const part of PARTS) {
    mkdirSync(join(directory, dirname(part)), { recursive: true });
    cpSync(join(SOURCES, part), join(directory, part), { recursive: true });
  }
  const file = join(directory, "supervisor/machine", variant.file);
  breakSource(variant, file);
  const url = pathToFileURL(join(directory, "supervisor/machine/service-machine.ts")).href;
  const module = (await import(url)) as { ServiceMachine: typeof ServiceMachine };
  return (...args) => new module.ServiceMachine(...args);
}
