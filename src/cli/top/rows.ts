import type { MetricFamily, ServiceView } from "../../supervisor/api.ts";

/** A service or, with `replica`, one of its replicas, with the figures of one moment. */
export interface Row {
  readonly app: string;
  readonly service: string;
  /** The name of the replica, `web.1`; missing for the service as a whole. */
  readonly replica?: string;
  readonly state: ServiceView["state"] | "left";
  /** Replicas that are ready. */
  readonly ready: number;
  /** Replicas wanted. */
  readonly replicas: number;
  /** Automatic restarts of the service. */
  readonly restarts: number;
  /** Of one core; missing while it is not known. */
  readonly cpuPercent?: number;
  readonly memoryBytes?: number;
  /** The 99th percentile of the delay of the slowest event loop; missing without Node.js. */
  readonly loopDelayMs?: number;
  readonly pid?: number;
}

/** The columns by which rows can be sorted. */
export const SORT_KEYS = ["name", "cpu", "memory", "delay", "restarts", "state"] as const;
export type SortKey = (typeof SORT_KEYS)[number];

const DELAY_FAMILY = "nodejs_eventloop_delay_p99_seconds";

/** A row for each service, or for each replica. */
export function rowsOf(
  services: readonly ServiceView[],
  families: readonly MetricFamily[],
  by: "service" | "replica",
): Row[] {
  const delays = delaysOf(families);
  return by === "service"
    ? services.map((service) => serviceRow(service, delays))
    : services.flatMap((service) => replicaRows(service, delays));
}

/** The rows whose name or state contains the text, in the order of a column; ties keep the order of the names. */
export function arrange(rows: readonly Row[], sort: SortKey, filter: string): Row[] {
  const text = filter.toLowerCase();
  const kept = rows.filter((row) => `${nameOf(row)} ${row.state}`.toLowerCase().includes(text));
  const byName = kept.toSorted((a, b) =>
    nameOf(a).localeCompare(nameOf(b), "en", { numeric: true }),
  );
  if (sort === "name") return byName;
  if (sort === "state") return byName.toSorted((a, b) => rankOf(a) - rankOf(b));
  return byName.toSorted((a, b) => figureOf(b, sort) - figureOf(a, sort));
}

/** `shop/web` or `shop/web.1`: it identifies a row. */
export function nameOf({ app, service, replica }: Row): string {
  return `${app}/${replica ?? service}`;
}

/** By the kernel's own words: app and replica. */
type Delays = ReadonlyMap<string, number>;

function delaysOf(families: readonly MetricFamily[]): Delays {
  const samples = families.find(({ name }) => name === DELAY_FAMILY)?.samples ?? [];
  return new Map(
    samples.map(({ labels, value }) => [
      `${labels["service_namespace"]}/${labels["service_instance_id"]}`,
      value * 1_000,
    ]),
  );
}

function serviceRow(view: ServiceView, delays: Delays): Row {
  const rows = replicaRows(view, delays);
  const { app, name, state, ready, replicas, restarts } = view;
  const cpus = rows.flatMap(({ cpuPercent }) => cpuPercent ?? []);
  const memories = rows.flatMap(({ memoryBytes }) => memoryBytes ?? []);
  const loops = rows.flatMap(({ loopDelayMs }) => loopDelayMs ?? []);
  return {
    app,
    service: name,
    state,
    ready,
    replicas,
    restarts,
    ...(cpus.length === 0 ? {} : { cpuPercent: sum(cpus) }),
    ...(memories.length === 0 ? {} : { memoryBytes: sum(memories) }),
    ...(loops.length === 0 ? {} : { loopDelayMs: Math.max(...loops) }),
  };
}

function replicaRows({ app, name, restarts, processes }: ServiceView, delays: Delays): Row[] {
  return processes.map((process): Row => {
    const { state, ready, pid, cpuPercent, memoryBytes } = process;
    const loopDelayMs = delays.get(`${app}/${process.name}`);
    return {
      app,
      service: name,
      replica: process.name,
      state,
      ready: ready ? 1 : 0,
      replicas: state === "left" ? 0 : 1,
      restarts,
      ...(pid === undefined ? {} : { pid }),
      ...(cpuPercent === undefined ? {} : { cpuPercent }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(loopDelayMs === undefined ? {} : { loopDelayMs }),
    };
  });
}

function figureOf(row: Row, sort: Exclude<SortKey, "name" | "state">): number {
  switch (sort) {
    case "cpu":
      return row.cpuPercent ?? -1;
    case "memory":
      return row.memoryBytes ?? -1;
    case "delay":
      return row.loopDelayMs ?? -1;
    case "restarts":
      return row.restarts;
  }
}

/** The states that need attention come first. */
const RANKS: readonly Row["state"][] = [
  "failed",
  "backoff",
  "left",
  "starting",
  "stopping",
  "running",
  "completed",
  "stopped",
];

function rankOf({ state, ready, replicas }: Row): number {
  const isDegraded = state === "running" && ready < replicas;
  return isDegraded ? RANKS.indexOf("starting") : RANKS.indexOf(state);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
