import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { Rate } from "../../src/supervisor/alerts/rate.ts";
import { eventually } from "../helpers/resources.ts";
import { collect, World } from "../cli/world.ts";

interface Alert {
  readonly alert: string;
  readonly app: string;
  readonly service: string;
  readonly text: string;
  readonly suppressed: number;
  readonly lines: readonly string[];
}

test("the first alert is due at once, then the latest of each interval with the count of the others", () => {
  const rate = new Rate();
  const at = (timeMs: number) => rate.add({ timeMs }, 1_000, timeMs);
  assert.deepEqual(at(5_000), { latest: { timeMs: 5_000 }, suppressed: 0 });
  assert.deepEqual(rate.release(6_000), undefined);
  assert.deepEqual(at(5_100), { waitMs: 900 });
  assert.deepEqual(at(5_200), undefined);
  assert.deepEqual(at(5_300), undefined);
  assert.deepEqual(rate.release(6_000), { latest: { timeMs: 5_300 }, suppressed: 2 });
  assert.deepEqual(rate.release(6_001), undefined);
  assert.deepEqual(at(6_500), { waitMs: 500 });
  assert.deepEqual(at(7_100), { latest: { timeMs: 7_100 }, suppressed: 1 });
});

test("a failing service alerts by webhook and by command, and an alert that fails is an event", async (t) => {
  const world = new World(t);
  const posted: Alert[] = [];
  let refusals = 1;
  const server = createServer((request, response) => {
    const body = collect(request);
    request.once("end", () => {
      refusals -= 1;
      if (refusals < 0) posted.push(JSON.parse(body()) as Alert);
      response.writeHead(refusals < 0 ? 204 : 503).end();
    });
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  world.configure({
    name: "shop",
    envFile: ".env",
    services: {
      crash: {
        run: "while [ ! -e broken ]; do sleep 0.02; done; echo the last words; exit 3",
        ready: { after: "0ms" },
        restart: { max: 2, within: "1h", backoff: { min: "10ms", max: "10ms" } },
      },
      calm: { run: "exec sleep 1000", ready: { after: "1ms" }, env: { SECRET: "abc" } },
    },
    on: {
      failed: { url: "http://127.0.0.1:${PORT}/secret-path" },
      restarted: {
        run: 'echo "$NEWEL_ALERT $NEWEL_ALERT_APP $NEWEL_ALERT_SERVICE [$SECRET]" >> words; cat >> alerts',
        every: "1h",
      },
      backoff: ["./no-such-program"],
    },
  });
  world.write(".env", `PORT=${port}\n`);
  await world.succeed("up");
  const follower = world.start("events", "--json");
  const events = collect(follower.stdout);
  // The follower is connected once it prints the change of another service.
  await eventually(async () => {
    await world.succeed("restart", "calm");
    return events() !== "";
  }, "the events are followed");
  world.write("broken", "");
  const failed = await eventually(
    () => posted[0],
    "the webhook gets the alert at the second attempt",
  );
  assert.deepEqual(
    [failed.alert, failed.app, failed.service, failed.suppressed],
    ["failed", "shop", "crash", 0],
  );
  assert.match(failed.text, /^shop\/crash failed: .+/);
  assert.equal(failed.lines.at(-1), "the last words");
  await eventually(
    () =>
      /The alert backoff of shop\/crash was not delivered: its command cannot be run/.test(
        events(),
      ),
    "the failed alert is an event",
  );
  assert.ok(!events().includes("secret-path"));
  // The second restart is within the hour.
  assert.equal(world.read("words"), "restarted shop crash []\n");
  const [line = "", rest] = world.read("alerts").split("\n");
  assert.deepEqual([(JSON.parse(line) as Alert).alert, rest], ["restarted", ""]);
  const { code, stderr } = await world.newel("check");
  assert.deepEqual([code, stderr], [0, ""]);
  world.configure({ services: {}, on: { failed: { every: "5m" }, fail: "x" } });
  const wrong = await world.newel("check");
  assert.equal(wrong.code, 6);
  assert.match(wrong.stderr, /on\.fail is not a setting here; .*Did you mean|on\.fail is/);
  assert.match(wrong.stderr, /on\.failed has no target/);
});
