import { matches } from "../../base/names.ts";
import type { KernelEvent, ValueInfo } from "../api.ts";
import type { ValueChange } from "../client-api.ts";
import type { Target } from "./autostart.ts";
import type { Link } from "./link.ts";
import { follow } from "./stream.ts";

/** Every event after a number, across any number of connections and kernels. */
export async function* watchEvents(
  target: Target,
  since: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<KernelEvent, void> {
  let last = since;
  const messages = follow(target, {
    signal,
    request: () => ({ do: "events", ...(last === undefined ? {} : { since: last }) }),
    opened: (answer) => {
      last ??= (answer as { since: number }).since;
      return true;
    },
  });
  for await (const { event } of messages) {
    if (event === undefined) continue;
    const next = event as KernelEvent;
    last = next.seq;
    yield next;
  }
}

/** The present values, then each value as it changes. */
export async function* watchValues(
  target: Target,
  link: Link,
  pattern: string,
  signal: AbortSignal,
): AsyncGenerator<ValueChange, void> {
  const list = (name: string): Promise<readonly ValueInfo[]> =>
    link.call<ValueInfo[]>({ do: "list values", names: [name] }, true);
  // The number is read first: a later change is then seen twice rather than missed.
  const { lastEvent } = await link.call<{ lastEvent: number }>({ do: "status" }, true);
  const known = new Map<string, string | undefined>();
  for (const { name, value } of await list(pattern)) {
    known.set(name, value);
    yield { name, value };
  }
  if (known.size === 0 && !pattern.endsWith("*")) yield { name: pattern, value: undefined };
  for await (const { noun, name } of watchEvents(target, lastEvent, signal)) {
    if (noun !== "value" || !matches(pattern, name)) continue;
    const value = (await list(name)).find((one) => one.name === name)?.value;
    if (known.get(name) === value) continue;
    known.set(name, value);
    yield { name, value };
  }
}

/** Makes every kernel of the target send copies of its sockets to a datagram socket. */
export async function holdSockets(
  target: Target,
  path: string,
  signal: AbortSignal,
  sent: () => void,
): Promise<void> {
  const messages = follow(target, {
    signal,
    request: () => ({ do: "hold sockets", path }),
    opened: () => {
      sent();
      return true;
    },
  });
  for await (const message of messages) void message;
}
