import type { UpPlan } from "../../supervisor/api.ts";
import { describeMove } from "../../supervisor/config/running.ts";
import type { Output } from "./output.ts";

/** What `up` would do, service by service, with the reasons and the steps. */
export function formatPlan(app: string, { move, changes }: UpPlan, output: Output): string[] {
  const width = Math.max(0, ...changes.map(({ service }) => service.length));
  const services = changes.flatMap(({ service, change, reasons, steps }) => {
    const verb =
      change === "none" ? output.style("dim", "unchanged") : output.style("bold", change);
    const why = reasons.length === 0 ? "" : `  (${reasons.join(", ")})`;
    return [`${service.padEnd(width)}  ${verb}${why}`, ...steps.map((step) => `  - ${step}`)];
  });
  return move === undefined
    ? services
    : [`${output.style("bold", app)} ${describeMove(move)}`, ...services];
}
