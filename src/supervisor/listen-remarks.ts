import { parseReport } from "../base/listening.ts";
import type { KernelEvent } from "../kernel/api.ts";
import type { ResolvedService } from "./config/resolved.ts";

/** How many generations (starts of replicas) of a service are remembered. */
const KEPT = 20;

/** Remarks of a service's processes about a listen() that did not get the declared socket. */
export class ListenRemarks {
  readonly #byGeneration = new Map<number, string>();

  hear(event: KernelEvent, generation: number, spec: Pick<ResolvedService, "listen">): void {
    const remark = event.type === "listen" ? listenRemark(event.listen, spec) : undefined;
    if (remark === undefined) return;
    const [oldest] = this.#byGeneration.keys();
    if (this.#byGeneration.size >= KEPT && oldest !== undefined) this.#byGeneration.delete(oldest);
    this.#byGeneration.set(generation, remark);
  }

  /** Adds the remark of a generation to the reason why it is not ready. */
  explain(generation: number | undefined, why: string): string {
    const remark = this.#byGeneration.get(generation ?? -1);
    return remark === undefined ? why : `${why}; ${remark}`;
  }
}

/** The message for the operator, with the line to write. */
function listenRemark(
  text: string | undefined,
  { listen }: Pick<ResolvedService, "listen">,
): string | undefined {
  const report = parseReport(text ?? "");
  if (report?.kind === "refused") return report.why;
  if (report?.kind !== "elsewhere") return undefined;
  const ports = listen.flatMap(({ port }) => port ?? []);
  return `the configuration declares ${ports.join(", ")}, and the app listens on ${report.port}: write listen: ${report.port}`;
}
