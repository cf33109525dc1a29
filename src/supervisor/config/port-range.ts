import { type Finding, type Key, quoted } from "./problems.ts";

/** The ports of the replicas of a service that binds its own port: the first is that of replica 1. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** `"3001-3010"`; `undefined` when it is no range of ports. */
export function parsePortRange(text: string): PortRange | undefined {
  const [, from = "", to = ""] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  return from !== "" && first >= 1 && first <= last && last <= 65_535 ? { first, last } : undefined;
}

/** The port of a replica, which may be past the end of the range. */
export function portOf({ first }: PortRange, replica: number): number {
  return first + replica - 1;
}

/** How many replicas a range has ports for. */
export function portCount({ first, last }: PortRange): number {
  return last - first + 1;
}

/** The ports and the replicas of one service. */
interface Ported {
  readonly name: string;
  readonly range: PortRange;
  readonly replicas: number;
  /** A reload starts a replica before it stops one: that one needs a port too. */
  readonly startsFirst: boolean;
}

/** A range without a port for each replica, and ports of a range that something else of the app has. */
export function portRangeFindings(
  services: readonly Ported[],
  sockets: readonly { readonly port: number; readonly keys: readonly Key[] }[],
): Finding[] {
  return services.flatMap((service, index): Finding[] => {
    const { name, range, replicas, startsFirst } = service;
    const keys = ["services", name, "portRange"];
    const shown = quoted(`${range.first}-${range.last}`);
    const needed = replicas + (startsFirst && replicas > 0 ? 1 : 0);
    if (portCount(range) < needed) {
      const why = startsFirst ? ' and one more for a reload with order "start-first"' : "";
      return [
        {
          keys,
          says: `is ${shown}, which is ${portCount(range)} ports for ${replicas} replicas${why}.`,
        },
      ];
    }
    const other = services.slice(0, index).find((each) => overlap(each.range, range));
    if (other !== undefined)
      return [{ keys, says: `is ${shown}, which has ports of services.${other.name}.portRange.` }];
    const socket = sockets.find(({ port }) => port >= range.first && port <= range.last);
    if (socket === undefined) return [];
    return [
      {
        keys,
        says: `is ${shown}, which has the port ${socket.port} that newel itself binds for a "listen".`,
      },
    ];
  });
}

function overlap(a: PortRange, b: PortRange): boolean {
  return a.first <= b.last && b.first <= a.last;
}
