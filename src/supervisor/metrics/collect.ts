import { readdirSync } from "node:fs";

import type { KernelClient } from "../../kernel/client-api.ts";
import type { NodeFigures } from "../../base/node-figures.ts";
import { STATUS_CLASSES } from "../../base/node-figures.ts";
import type { Home } from "../../base/home.ts";
import { systemCode } from "../../base/errors.ts";
import type { SocketInfo } from "../../kernel/api.ts";
import type { ProcessTree } from "../../kernel/process-api.ts";
import { look } from "../../kernel/proc.ts";
import { readAcceptQueue } from "../../posix/accept-queue.ts";
import type { MetricFamily } from "../api.ts";
import type { App } from "../app.ts";
import { askFigures, controlPath } from "../control.ts";
import { type DeployMarks, releaseOf } from "../deploy-marks.ts";
import { groupOf } from "../listening.ts";
import { processAgeMs } from "../process-age.ts";
import { programSocketName } from "../process-names.ts";
import type { Service } from "../service.ts";
import type { SocketHolder } from "../socket-holder.ts";
import type { Trees } from "../usage.ts";
import { Accumulator } from "./accumulator.ts";
import { Samples } from "./samples.ts";

/** Clock ticks of /proc a second: 100 on every Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;
const MS = 1_000;

/** The dependencies of the collector. */
export interface CollectorParts {
  readonly kernel: KernelClient;
  readonly home: Home;
  readonly holder: SocketHolder;
  readonly version: string;
  readonly apps: () => Iterable<App>;
  /** Reads the process trees of services. */
  readonly look: (found: readonly { readonly service: Service }[]) => Promise<Trees>;
  /** The ends of deploys. */
  readonly marks: DeployMarks;
}

type Labels = Readonly<Record<string, string>>;

/** A replica with the answers about it. */
interface Read {
  readonly labels: Labels;
  readonly key: string;
  readonly startedMs: number;
  readonly tree: ProcessTree | undefined;
  readonly figures: ReadonlyMap<number, NodeFigures | undefined>;
}

/** Collects the metrics of apps from the machines, the kernel, /proc and the preloads. */
export class Collector {
  readonly #parts: CollectorParts;
  readonly #accumulators = new WeakMap<App, Accumulator>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  /**
   * The metrics of these apps, or of all. One collection at a time: the counters of processes that end are
   * summed from one to the next.
   */
  collect(names?: readonly string[]): Promise<readonly MetricFamily[]> {
    const next = this.#last.then(() => this.#collect(names));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #collect(names: readonly string[] | undefined): Promise<readonly MetricFamily[]> {
    const { kernel, version, holder } = this.#parts;
    const samples = new Samples();
    samples.add("newel_build", { version }, 1);
    const apps = [...this.#parts.apps()].filter((app) => names?.includes(app.name) ?? true);
    const services = apps.flatMap((app) =>
      [...app.services.values()].map((service) => ({ app, service })),
    );
    const trees = await this.#parts.look(services);
    for (const app of apps) {
      const accumulator = this.#accumulators.get(app) ?? new Accumulator();
      this.#accumulators.set(app, accumulator);
      for (const service of app.services.values()) {
        addService(samples, app, service);
        const reads = await Promise.all(
          service.replicas.map(async ({ kernelName, name, startedMs }): Promise<Read> => ({
            labels: labelsOf(app.name, service.name, name),
            key: kernelName,
            startedMs,
            tree: trees.byName.get(kernelName),
            figures: await askFigures(controlPath(this.#parts.home, kernelName)),
          })),
        );
        for (const read of reads) addReplica(samples, read, accumulator);
      }
      accumulator.prune();
    }
    holder.receive();
    const sockets = await kernel.sockets.list();
    for (const app of apps) addSockets(samples, app, sockets, holder);
    for (const app of apps) this.#addDeploys(samples, app);
    await addDaemons(samples, kernel);
    return samples.families;
  }

  #addDeploys(samples: Samples, { name, config }: App): void {
    const { home, marks } = this.#parts;
    const labels = { service_namespace: name };
    const release = releaseOf(home, name, config.file);
    if (release !== undefined) samples.add("newel_release", labels, release);
    for (const [result, count] of marks.countsOf(name))
      samples.add("newel_deploys", { ...labels, result }, count);
  }
}

/** The attributes of OpenTelemetry's resource `service`. */
function labelsOf(app: string, service: string, replica?: string): Labels {
  const labels = { service_namespace: app, service_name: service };
  return replica === undefined ? labels : { ...labels, service_instance_id: replica };
}

function addService(samples: Samples, app: App, service: Service): void {
  const { wanted, replicas, readyCount, restarts, counts } = service;
  const labels = labelsOf(app.name, service.name);
  const up = replicas.filter(({ state, pid }) => state !== "stopping" && pid !== undefined);
  samples.add("newel_service_replicas_wanted", labels, wanted.up ? wanted.replicas : 0);
  samples.add("newel_service_replicas_up", labels, up.length);
  samples.add("newel_service_replicas_ready", labels, readyCount);
  samples.add("newel_service_restarts", labels, restarts);
  for (const [reason, count] of counts.exits)
    samples.add("newel_service_exits", { ...labels, reason }, count);
  samples.addHistogram("newel_replica_stop_duration_seconds", labels, counts.stops);
}

function addReplica(samples: Samples, read: Read, accumulator: Accumulator): void {
  const { labels, key, startedMs, tree, figures } = read;
  samples.add("process_uptime_seconds", labels, Math.max(0, Date.now() - startedMs) / MS);
  if (tree !== undefined) {
    const { processes } = tree;
    const ticks = processes.map(
      (each) => [`${each.pid}:${each.startTicks}`, each.cpuTicks] as const,
    );
    const memory = processes.reduce((sum, each) => sum + each.memoryBytes, 0);
    const cpu = accumulator.add(`${key} cpu`, new Map(ticks)) / TICKS_PER_SECOND;
    samples.add("newel_replica_processes", labels, processes.length);
    samples.add("process_cpu_time_seconds", labels, cpu);
    samples.add("process_memory_usage_bytes", labels, memory);
    const descriptors = sumOf(processes.map(({ pid }) => descriptorsOf(pid)));
    if (descriptors !== undefined)
      samples.add("process_unix_file_descriptor_count", labels, descriptors);
  }
  if (figures.size > 0) addFigures(samples, read, accumulator);
}

/** The figures of all Node.js processes of a replica together; of delays, the longest. */
function addFigures(
  samples: Samples,
  { labels, key, figures }: Read,
  accumulator: Accumulator,
): void {
  const total = (name: string, valueOf: (each: NodeFigures) => number | undefined): number => {
    const parts = [...figures].map(
      ([pid, each]) => [String(pid), each === undefined ? undefined : valueOf(each)] as const,
    );
    return accumulator.add(`${key} ${name}`, new Map(parts));
  };
  const states = {
    active: total("active", (each) => each.activeMs),
    idle: total("idle", (each) => each.idleMs),
  };
  for (const [state, ms] of Object.entries(states))
    samples.add(
      "nodejs_eventloop_time_seconds",
      { ...labels, nodejs_eventloop_state: state },
      ms / MS,
    );
  for (const [index, status_class] of STATUS_CLASSES.entries()) {
    const count = total(status_class, (each) => each.answered[index]);
    samples.add("newel_http_server_responses", { ...labels, status_class }, count);
  }
  const known = [...figures.values()].filter((each) => each !== undefined);
  if (known.length === 0) return;
  const sum = (valueOf: (each: NodeFigures) => number): number =>
    known.reduce((before, each) => before + valueOf(each), 0);
  samples.add(
    "http_server_active_requests",
    labels,
    sum(({ running }) => running),
  );
  samples.add(
    "newel_http_server_connections",
    labels,
    sum(({ connections }) => connections),
  );
  const delays = known.flatMap(({ delay }) => (delay === undefined ? [] : [delay]));
  if (delays.length === 0) return;
  for (const part of ["mean", "p50", "p90", "p99", "max"] as const) {
    const longest = Math.max(...delays.map((delay) => delay[part]));
    samples.add(`nodejs_eventloop_delay_${part}_seconds`, labels, longest / MS);
  }
}

/** The accept queues of the sockets that the supervisor holds copies of; Unix sockets have no such numbers. */
function addSockets(
  samples: Samples,
  app: App,
  sockets: readonly SocketInfo[],
  holder: SocketHolder,
): void {
  const names = app.socketNames;
  for (const { name, host = "", port } of sockets) {
    const group = groupOf(name);
    const fd = names.has(group) ? holder.find(name) : undefined;
    const queue = fd === undefined ? undefined : readAcceptQueue(fd);
    if (queue === undefined) continue;
    const labels = {
      service_namespace: app.name,
      socket: programSocketName(group),
      server_address: host,
      server_port: String(port ?? 0),
    };
    samples.add("newel_socket_accept_queue_length", labels, queue.length);
    samples.add("newel_socket_accept_queue_limit", labels, queue.limit);
    samples.add("newel_socket_accept_queue_overflows", labels, queue.dropped);
  }
}

/** The kernel and the supervisor, as services of newel. */
async function addDaemons(samples: Samples, kernel: KernelClient): Promise<void> {
  const { pid } = await kernel.status();
  for (const [name, each] of [
    ["kernel", pid],
    ["supervisor", process.pid],
  ] as const) {
    const labels = labelsOf("newel", name);
    const seen = look(each);
    if (seen === undefined) continue;
    samples.add("process_cpu_time_seconds", labels, seen.cpuTicks / TICKS_PER_SECOND);
    samples.add("process_memory_usage_bytes", labels, seen.memoryBytes);
    samples.add("process_uptime_seconds", labels, processAgeMs(each) / MS);
    const descriptors = descriptorsOf(each);
    if (descriptors !== undefined)
      samples.add("process_unix_file_descriptor_count", labels, descriptors);
  }
}

/** `undefined` where the processes of another user may not be read. */
function descriptorsOf(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ESRCH") return 0;
    if (code === "EACCES" || code === "EPERM") return undefined;
    throw error;
  }
}

function sumOf(counts: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const count of counts) {
    if (count === undefined) return undefined;
    sum += count;
  }
  return sum;
}
