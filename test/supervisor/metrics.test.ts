import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";

import type { MetricFamily, MetricSample } from "../../src/supervisor/api.ts";
import { Accumulator } from "../../src/supervisor/metrics/accumulator.ts";
import { formatMetrics } from "../../src/supervisor/metrics/exposition.ts";
import { FAMILIES } from "../../src/supervisor/metrics/families.ts";
import { ServiceCounts } from "../../src/supervisor/metrics/service-counts.ts";
import { parseExposition, type ParsedSample } from "../helpers/exposition.ts";
import { eventually, freePort } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import { SupervisedApp } from "../helpers/supervised.ts";

/** A server that answers with the status in the path, blocks its event loop at /block, and forks a busy child. */
const WEB = `
import { createServer } from "node:http";
import { spawn } from "node:child_process";
createServer((request, response) => {
  const until = Date.now() + (request.url === "/block" ? 400 : 0);
  while (Date.now() < until);
  response.writeHead(Number(request.url.slice(1)) || 200, { connection: "close" }).end();
}).listen(Number(process.env.PORT), "127.0.0.1");
`;

const app = new SupervisedApp({ after });
let [port, scrape, crashes] = [0, 0, 0];

before(async () => {
  [port, scrape, crashes] = [await freePort(), await freePort(), 2];
  app.write("web.mjs", WEB);
  const { ok } = await app.up(config({ prometheus: `127.0.0.1:${scrape}` }));
  assert.ok(ok);
});

function config(metrics?: object): { services: Record<string, unknown>; [key: string]: unknown } {
  const env = { PORT: String(port) };
  return {
    ...(metrics === undefined ? {} : { metrics }),
    sockets: { web: { port, host: "127.0.0.1", backlog: 2 } },
    services: {
      web: {
        node: "web.mjs",
        listen: "web",
        env,
        ready: { stable: "0ms" },
        stop: { linger: "0ms" },
      },
      crash: {
        run: "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; [ $n -ge 2 ] && exec sleep 600; exit 3",
        ready: { after: "0ms" },
      },
    },
  };
}

async function read(): Promise<readonly MetricFamily[]> {
  return (await app.supervisor()).metrics();
}

/** The samples of a family that have these labels. */
function find(
  families: readonly MetricFamily[],
  family: string,
  labels: Record<string, string>,
): readonly MetricSample[] {
  const { samples = [] } = families.find(({ name }) => name === family) ?? {};
  return samples.filter((sample) =>
    Object.entries(labels).every(([name, value]) => sample.labels[name] === value),
  );
}

function valueOf(
  families: readonly MetricFamily[],
  family: string,
  labels: Record<string, string> = {},
): number | undefined {
  const [sample, other] = find(families, family, labels);
  assert.equal(other, undefined, `${family} ${JSON.stringify(labels)} is ambiguous`);
  return sample?.value;
}

const WEB_1 = { service_namespace: "app", service_name: "web", service_instance_id: "web.1" };

/** One GET over TCP or a Unix socket. */
async function get(
  options: object,
): Promise<{ status: number | undefined; type: string | undefined; text: string }> {
  const outgoing = request({ path: "/metrics", agent: false, ...options }).end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  const pieces: Buffer[] = await Array.fromAsync(response as AsyncIterable<Buffer>);
  const { statusCode: status, headers } = response;
  return { status, type: headers["content-type"], text: Buffer.concat(pieces).toString("utf8") };
}

test("both text formats: labels and help are escaped, and a strict reader of the format takes every family", () => {
  const counts = new ServiceCounts();
  for (const ms of [20, 400, 400, 200_000]) counts.stopped(ms);
  const labels = { service_name: 'a"b\\c\nd' };
  const families = Object.entries(FAMILIES).map(([name, family], index): MetricFamily => {
    const isHistogram = family.type === "histogram";
    const value = family.type === "info" ? 1 : ([0.1 + 0.2, 1e21, 5][index % 3] ?? 0);
    const sample = isHistogram ? { labels, value: 4, histogram: counts.stops } : { labels, value };
    return { name, ...family, help: `${family.help} "quoted" \\ and\nmore`, samples: [sample] };
  });
  for (const format of ["prometheus", "openmetrics"] as const) {
    const parsed = parseExposition(formatMetrics(families, format), format);
    assert.equal(parsed.size, families.length);
    for (const { samples } of parsed.values())
      for (const each of samples) assert.equal(each.labels["service_name"], labels.service_name);
    const stops = parsed.get("newel_replica_stop_duration_seconds")?.samples ?? [];
    const at = (le: string): number | undefined =>
      stops.find((sample: ParsedSample) => sample.labels["le"] === le)?.value;
    assert.deepEqual([at("0.05"), at("0.25"), at("0.5"), at("120.0"), at("+Inf")], [1, 1, 3, 3, 4]);
    assert.equal(parsed.get("process_uptime_seconds")?.unit, "seconds");
  }
});

test("the page of the reference has every metric, and no other", () => {
  const page = readFileSync("docs/reference/metrics.md", "utf8");
  const suffixes = { counter: "_total", info: "_info", gauge: "", histogram: "" };
  const named = [...page.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name, type]) => [
    name,
    type,
  ]);
  const there = Object.entries(FAMILIES).map(([name, { type }]) => [name + suffixes[type], type]);
  assert.deepEqual(named, there);
});

test("a counter of several processes does not fall when one of them ends or does not answer", () => {
  const sums = new Accumulator();
  const add = (parts: Record<string, number | undefined>): number =>
    sums.add("web", new Map(Object.entries(parts)));
  assert.equal(add({ a: 10, b: 5 }), 15);
  assert.equal(add({ a: 12 }), 17);
  assert.equal(add({ a: undefined, c: 1 }), 18);
  assert.equal(add({ a: 13, c: 1 }), 19);
  sums.prune();
  sums.prune();
  assert.equal(add({ a: 3 }), 3);
});

test("replicas, restarts, exits, CPU, memory, descriptors and the daemons", async () => {
  await eventually(async () => (await app.service("crash")).restarts === crashes, "two restarts");
  const families = await eventually(async () => {
    const all = await read();
    return valueOf(all, "newel_service_replicas_ready", { service_name: "crash" }) === 1 && all;
  }, "the third try stands");
  const crash = { service_namespace: "app", service_name: "crash" };
  assert.equal(valueOf(families, "newel_service_restarts", crash), crashes);
  assert.equal(valueOf(families, "newel_service_exits", { ...crash, reason: "error" }), crashes);
  const web = { service_namespace: "app", service_name: "web" };
  for (const what of ["wanted", "up", "ready"])
    assert.equal(valueOf(families, `newel_service_replicas_${what}`, web), 1, what);
  const positive = [
    "process_cpu_time_seconds",
    "process_memory_usage_bytes",
    "process_unix_file_descriptor_count",
    "process_uptime_seconds",
    "newel_replica_processes",
  ];
  for (const family of positive)
    assert.ok((valueOf(families, family, WEB_1) ?? 0) > 0, `${family} of web.1`);
  for (const name of ["kernel", "supervisor"]) {
    const daemon = { service_namespace: "newel", service_name: name };
    assert.ok((valueOf(families, "process_memory_usage_bytes", daemon) ?? 0) > 1e6, name);
  }
  assert.match(find(families, "newel_build", {})[0]?.labels["version"] ?? "", /^\d+\.\d+\.\d+/);
});

test("responses by status and the delay of the event loop come from the preload, once metrics are read", async () => {
  await read();
  for (const path of ["/200", "/404", "/503", "/503", "/block"])
    await fetch(`http://127.0.0.1:${port}${path}`);
  const families = await read();
  const answered = (status_class: string): number | undefined =>
    valueOf(families, "newel_http_server_responses", { ...WEB_1, status_class });
  assert.deepEqual(["2xx", "4xx", "5xx"].map(answered), [2, 1, 2]);
  assert.equal(valueOf(families, "http_server_active_requests", WEB_1), 0);
  assert.ok((valueOf(families, "nodejs_eventloop_delay_max_seconds", WEB_1) ?? 0) > 0.3);
  const active = { ...WEB_1, nodejs_eventloop_state: "active" };
  assert.ok((valueOf(families, "nodejs_eventloop_time_seconds", active) ?? 0) > 0.3);
  assert.equal(
    find(families, "nodejs_eventloop_time_seconds", { service_name: "crash" }).length,
    0,
  );
});

test("the accept queue of a held socket: its length, its limit, and the connections that Linux dropped", async () => {
  const { "web.1": pid = 0 } = await app.pids("web");
  sendSignal(pid, "SIGSTOP");
  const clients = Array.from({ length: 6 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  try {
    const families = await eventually(async () => {
      const all = await read();
      return (
        (valueOf(all, "newel_socket_accept_queue_overflows", { socket: "web" }) ?? 0) > 0 && all
      );
    }, "a connection was dropped");
    assert.equal(valueOf(families, "newel_socket_accept_queue_length", { socket: "web" }), 3);
    assert.equal(valueOf(families, "newel_socket_accept_queue_limit", { socket: "web" }), 2);
    const [{ labels } = { labels: {} }] = find(families, "newel_socket_accept_queue_limit", {});
    assert.deepEqual(labels, {
      service_namespace: "app",
      socket: "web",
      server_address: "127.0.0.1",
      server_port: String(port),
    });
    // A process that does not answer keeps its counters.
    const failed = { ...WEB_1, status_class: "5xx" };
    assert.equal(valueOf(families, "newel_http_server_responses", failed), 2);
  } finally {
    for (const client of clients) client.destroy();
    sendSignal(pid, "SIGCONT");
  }
});

test("a stop is counted with its time and as requested", async () => {
  const web = { service_namespace: "app", service_name: "web" };
  const { ok } = await app.verb("restart", "web");
  assert.ok(ok);
  const families = await read();
  assert.equal(valueOf(families, "newel_service_exits", { ...web, reason: "requested" }), 1);
  const [stops] = find(families, "newel_replica_stop_duration_seconds", web);
  assert.equal(stops?.value, 1);
});

test("the endpoint serves both formats at /metrics, to loopback names alone and by GET alone", async () => {
  const address = { port: scrape, host: "127.0.0.1" };
  const plain = await get(address);
  assert.deepEqual([plain.status, plain.type], [200, "text/plain; version=0.0.4; charset=utf-8"]);
  assert.ok(parseExposition(plain.text, "prometheus").has("newel_service_restarts_total"));
  const accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3";
  const open = await get({ ...address, headers: { accept } });
  assert.equal(open.type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  assert.ok(parseExposition(open.text, "openmetrics").has("newel_service_restarts"));
  const rebound = await get({ ...address, headers: { host: `evil.example:${scrape}` } });
  assert.equal(rebound.status, 403);
  assert.equal((await get({ ...address, method: "POST" })).status, 405);
  assert.equal((await get({ ...address, path: "/secret" })).status, 404);
});

test("an up with a taken address changes nothing; a Unix socket replaces the port; without metrics neither is left", async () => {
  const taken = await app.up(config({ prometheus: `127.0.0.1:${port}` }));
  assert.equal(taken.ok, false);
  assert.equal((await get({ port: scrape, host: "127.0.0.1" })).status, 200);
  assert.ok((await app.up(config({ prometheus: "./metrics.sock" }))).ok);
  const socketPath = join(app.directory, "metrics.sock");
  assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  assert.equal((await get({ socketPath })).status, 200);
  await assert.rejects(get({ port: scrape, host: "127.0.0.1" }), { code: "ECONNREFUSED" });
  await app.killSupervisor();
  await app.supervisor();
  const isServed = (): Promise<boolean> =>
    get({ socketPath }).then(
      ({ status }) => status === 200,
      () => false,
    );
  await eventually(isServed, "the next supervisor serves them too");
  assert.ok((await app.up(config())).ok);
  assert.equal(existsSync(socketPath), false);
  assert.equal((await app.service("web")).restarts, 0);
});
