import { isRecord } from "../config/leaves.ts";
import { interpolated } from "./interpolate.ts";
import { portNumber } from "./node-program.ts";
import { scalar } from "./parsed.ts";

/** A port of a program, and the port and address of this machine under which it is reached. */
export interface Mapping {
  readonly target: number;
  readonly published: number;
  readonly host?: string | undefined;
}

/** The TCP ports of a `ports` of compose; of a range the first. */
export function portsOf(value: unknown, variables: NodeJS.ProcessEnv): readonly Mapping[] {
  const entries: readonly unknown[] = Array.isArray(value) ? value : [];
  return entries.flatMap((entry) => {
    if (isRecord(entry))
      return mapping(scalar(entry["target"]), scalar(entry["published"]), scalar(entry["host_ip"]));
    const text = interpolated(scalar(entry) ?? "", variables);
    if (text.endsWith("/udp")) return [];
    const parts = text.replace(/\/tcp$/, "").split(/:(?![^[]*\])/);
    const target = parts.at(-1)?.split("-")[0];
    const published = parts.at(-2)?.split("-")[0];
    return mapping(target, published, parts.length > 2 ? parts.slice(0, -2).join(":") : undefined);
  });
}

function mapping(
  target: string | undefined,
  published: string | undefined,
  host: string | undefined,
): readonly Mapping[] {
  const port = portNumber(target);
  if (port === undefined) return [];
  const address = host === undefined || host === "" || host === "0.0.0.0" ? undefined : host;
  return [{ target: port, published: portNumber(published) ?? port, host: address }];
}
