import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";

import { homeAt } from "../../src/base/home.ts";
import type { MetricFamily } from "../../src/supervisor/api.ts";
import { FAMILIES } from "../../src/supervisor/metrics/families.ts";
import { otelName } from "../../src/supervisor/metrics/otel-names.ts";
import { toOtlp } from "../../src/supervisor/metrics/otlp.ts";
import { datagrams, StatsdLines } from "../../src/supervisor/metrics/statsd.ts";
import { eventually } from "../helpers/resources.ts";
import { collect, World } from "../cli/world.ts";

interface Point {
  readonly asDouble?: number;
  readonly bucketCounts?: readonly string[];
  readonly startTimeUnixNano: string;
}
interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { readonly isMonotonic: boolean; readonly dataPoints: readonly Point[] };
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}
interface Export {
  readonly resourceMetrics: readonly {
    readonly resource: {
      readonly attributes: readonly {
        readonly key: string;
        readonly value: { stringValue: string };
      }[];
    };
    readonly scopeMetrics: readonly { readonly metrics: readonly Metric[] }[];
  }[];
}

const LABELS = { service_namespace: "shop", service_name: "web", service_instance_id: "web.1" };

function family(name: keyof typeof FAMILIES, sample: object): MetricFamily {
  return { name, ...FAMILIES[name], samples: [{ labels: LABELS, value: 0, ...sample }] };
}

/** The metrics of a resource by their names. */
function metricsOf({ resourceMetrics }: Export, instance: string): Map<string, Metric> {
  const found = resourceMetrics.find(({ resource }) =>
    resource.attributes.some(
      ({ key, value }) => key === "service.instance.id" && value.stringValue === instance,
    ),
  );
  const metrics = found?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
  return new Map(metrics.map((metric) => [metric.name, metric]));
}

test("every family but the build has a name of OpenTelemetry", () => {
  const missing = Object.keys(FAMILIES).filter((name) => otelName(name) === undefined);
  assert.deepEqual(missing, ["newel_build"]);
});

test("the buckets of OTLP count their own values, and the counters of a replica begin with it", () => {
  const buckets = [
    { upTo: 1, count: 2 },
    { upTo: 5, count: 3 },
  ];
  const histogram = { buckets, count: 7, sum: 40 };
  const families = [
    family("newel_replica_stop_duration_seconds", { histogram, value: 7 }),
    family("process_uptime_seconds", { value: 4 }),
    family("process_cpu_time_seconds", { value: 2.5 }),
  ];
  const times = { nowMs: 10_000, startMs: 1_000 };
  const metrics = metricsOf(toOtlp(families, times) as Export, "web.1");
  const [point] = metrics.get("newel.replica.stop.duration")?.histogram?.dataPoints ?? [];
  assert.deepEqual(point?.bucketCounts, ["2", "1", "4"]);
  const cpu = metrics.get("process.cpu.time");
  assert.deepEqual([cpu?.unit, cpu?.sum?.isMonotonic], ["s", true]);
  assert.equal(cpu?.sum?.dataPoints[0]?.startTimeUnixNano, "6000000000");
});

test("statsd gets differences of counters, gauges, and datagrams of a limited size", () => {
  const lines = new StatsdLines();
  const restarts = (value: number): MetricFamily[] => [family("newel_service_restarts", { value })];
  const tags = "|#service.namespace:shop,service.name:web,service.instance.id:web.1";
  assert.deepEqual(lines.next(restarts(5)), []);
  assert.deepEqual(lines.next(restarts(7)), [`newel.service.restarts:2|c${tags}`]);
  assert.deepEqual(lines.next(restarts(3)), [`newel.service.restarts:3|c${tags}`]);
  assert.deepEqual(lines.next([family("process_uptime_seconds", { value: 1.5 })]), [
    `process.uptime:1.5|g${tags}`,
  ]);
  const many = Array.from({ length: 100 }, (_, index) => `name${index}:1|g${tags}`);
  const sent = datagrams(many);
  assert.ok(sent.length > 1 && sent.every((text) => text.length <= 1_400));
  assert.deepEqual(
    sent.flatMap((text) => text.split("\n")),
    many,
  );
});

test("a collector and a statsd server get the metrics of an app; a collector that ends is logged once", async (t) => {
  const world = new World(t);
  const exports: Export[] = [];
  let authorization = "";
  const collector = createServer((request, response) => {
    const body = collect(request);
    request.once("end", () => {
      if (request.url === "/v1/metrics") exports.push(JSON.parse(body()) as Export);
      authorization = request.headers.authorization ?? "";
      response.writeHead(200, { connection: "close" }).end("{}");
    });
  }).listen(0, "127.0.0.1");
  await once(collector, "listening");
  const statsd = createSocket("udp4");
  t.after(() => {
    collector.close();
    statsd.close();
  });
  let received = "";
  statsd.on("message", (message) => (received += `${message.toString()}\n`));
  await new Promise<void>((resolve) => statsd.bind(0, "127.0.0.1", resolve));
  const { port } = collector.address() as { port: number };
  const services = { web: { run: "exec sleep 1000", ready: { after: "1ms" } } };
  const otlp = {
    url: `http://127.0.0.1:${port}`,
    headers: { authorization: "Bearer planted" },
    every: "1s",
  };
  const address = `127.0.0.1:${statsd.address().port}`;
  world.configure({ name: "shop", services, metrics: { otlp, statsd: { address, every: "1s" } } });
  await world.succeed("up");
  const metrics = await eventually(() => {
    const found = exports.map((each) => metricsOf(each, "web.1")).find((each) => each.size > 0);
    return found;
  }, "the collector gets the metrics of web.1");
  const memory = metrics.get("process.memory.usage");
  assert.deepEqual([memory?.unit, memory?.sum?.isMonotonic], ["By", false]);
  assert.ok((memory?.sum?.dataPoints[0]?.asDouble ?? 0) > 100_000);
  assert.equal(authorization, "Bearer planted");
  await eventually(
    () =>
      /^process\.memory\.usage:\d+\|g\|#service\.namespace:shop,service\.name:web,service\.instance\.id:web\.1$/m.test(
        received,
      ),
    "the statsd server gets the memory of web.1",
  );
  collector.close();
  const log = (): string => readFileSync(homeAt(world.home).supervisorLog, "utf8");
  await eventually(
    () => /The metrics were not sent \(metrics\.otlp\)/.test(log()),
    "the failure is logged",
  );
  // The next failures are not logged again: statsd gets two more readings in that time.
  const length = received.length;
  await eventually(() => received.length > 3 * length, "further readings");
  assert.equal(log().match(/metrics\.otlp/g)?.length, 1);
  assert.ok(!log().includes("planted"));
  world.configure({ services: {}, metrics: { otlp: { every: "1s" }, statsd: "8125" } });
  const { code, stderr } = await world.newel("check");
  assert.equal(code, 6);
  assert.match(stderr, /metrics\.statsd is "8125"; must be HOST:PORT/);
  assert.match(stderr, /metrics\.otlp/);
});
