// The dashboard of an app whose services crash and print, in a real browser and by hostile requests.
import assert from "node:assert/strict";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import type { Page } from "playwright-core";

import type { ServiceDetail, ServiceView } from "../../src/supervisor/api.ts";
import { type Ran, runHere } from "../cli/capture.ts";
import { World } from "../cli/world.ts";
import { withoutRoot } from "../helpers/as-nobody.ts";
import { startChromium, withoutChromium } from "../helpers/chromium.ts";
import { eventually, freePort, temporaryDirectory } from "../helpers/resources.ts";
import { ask, askAsNobody, type Dash, enter, linkOf, pageHeaders, startDash } from "./site.ts";

const WEB = `
import { createServer } from "node:http";
createServer((request, response) => {
  console.log(decodeURIComponent(request.url.slice(1)));
  response.end(String(process.pid));
}).listen(Number(process.env.PORT), "127.0.0.1");
`;
const MAILER = `
import { existsSync } from "node:fs";
console.log("the mailer runs");
setInterval(() => { if (existsSync("crash")) throw new Error("connect ECONNREFUSED 127.0.0.1:2525"); }, 50);
`;
const SECRET = "a-secret-of-the-app";

const scope = { after };
const world = new World(scope);
/** Runs a command line in this process, which takes less time than another process. */
const newel = (...argv: string[]): Promise<Ran> =>
  runHere(argv, { home: world.home, cwd: world.directory });
const json = async <Value>(...argv: string[]): Promise<Value> =>
  JSON.parse((await newel(...argv, "--json")).stdout) as Value;
let port = 0;
let dash: Dash;

before(async () => {
  port = await freePort();
  world.write("web.mjs", WEB);
  world.write("mailer.mjs", MAILER);
  world.configure({
    name: "shop",
    services: {
      web: {
        node: "web.mjs",
        listen: `127.0.0.1:${port}`,
        ready: { stable: "100ms" },
        env: { PORT: String(port), API_KEY: SECRET },
      },
      mailer: { node: "mailer.mjs", restart: "never" },
    },
    deploy: { verify: { for: "100ms" } },
  });
  await world.succeed("up");
  dash = await startDash(world, "--listen", "127.0.0.1:0");
});

describe("access", () => {
  const session = new Map<Dash, Promise<Record<string, string>>>();
  const entered = (site: Dash): Promise<Record<string, string>> => {
    const known = session.get(site) ?? enter(site);
    session.set(site, known);
    return known;
  };

  test("a request with a Host that is no name of loopback is refused (DNS rebinding)", async () => {
    for (const host of ["evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example"])
      for (const path of ["/", "/api/stream"]) {
        const { status, code } = await ask(dash, { path, headers: { host } });
        assert.deepEqual([status, code], [403, "NEWEL_E_DASH_HOST"], `${host} ${path}`);
      }
  });

  test("a POST of another site, or without Origin, is refused and does not use the link up", async () => {
    const body = { link: linkOf(dash) };
    const { origin, ...rest } = pageHeaders(dash);
    const foreign: Record<string, string>[] = [
      { ...rest },
      { ...rest, origin: "http://evil.example" },
      { ...rest, origin: "null" },
      { ...rest, origin: `http://localhost:${port}` },
      { ...rest, origin: origin ?? "", "sec-fetch-site": "same-site" },
    ];
    for (const headers of foreign) {
      const answer = await ask(dash, { path: "/api/enter", headers, body });
      assert.deepEqual([answer.status, answer.code], [403, "NEWEL_E_DASH_ORIGIN"]);
    }
    await entered(dash);
  });

  test("a link works once, and an invented one never", async () => {
    await entered(dash);
    for (const link of [linkOf(dash), "x".repeat(43)]) {
      const headers = pageHeaders(dash);
      const { status, code } = await ask(dash, { path: "/api/enter", headers, body: { link } });
      assert.deepEqual([status, code], [403, "NEWEL_E_DASH_LINK"]);
    }
  });

  test("data and actions need both the cookie and the token", async () => {
    const { cookie = "", "x-newel-token": token = "", ...basic } = await entered(dash);
    const act = { verb: "stop", app: "shop", service: "web" };
    const partial = [
      basic,
      { ...basic, cookie },
      { ...basic, "x-newel-token": token },
      { ...basic, cookie, "x-newel-token": token.toUpperCase() },
      { ...basic, cookie: `${cookie}x`, "x-newel-token": token },
    ];
    for (const headers of partial) {
      for (const asked of [{ path: "/api/stream" }, { path: "/api/act", body: act }]) {
        const { status, code } = await ask(dash, { ...asked, headers });
        assert.deepEqual([status, code], [401, "NEWEL_E_DASH_SIGNED_OUT"]);
      }
    }
    assert.equal((await json<ServiceView[]>("ps", "web"))[0]?.state, "running");
  });

  test("an action that is no action on an existing service reaches no command line", async () => {
    const headers = await entered(dash);
    const basic = { verb: "stop", app: "shop", service: "web" };
    const bad: readonly (readonly [object | string, number])[] = [
      [{ ...basic, service: "*" }, 404],
      [{ ...basic, service: "web.1" }, 404],
      [{ ...basic, service: "--all" }, 400],
      [{ ...basic, app: "other" }, 404],
      [{ ...basic, service: ["web"] }, 400],
      [{ ...basic, verb: "down" }, 400],
      [{ verb: "cancel", run: "--all-matching" }, 400],
      [{ verb: "release", id: "--force" }, 400],
      [{ verb: "rollback", app: "shop", release: "1; rm" }, 400],
      [{ ...basic, verb: "scale", replicas: -1 }, 400],
      [{ ...basic, verb: "scale", replicas: "2" }, 400],
      ["no JSON", 400],
      [JSON.stringify(basic).padEnd(20_000), 400],
    ];
    for (const [body, wanted] of bad) {
      const sent = typeof body === "string" ? { text: body } : { body };
      const { status } = await ask(dash, { path: "/api/act", headers, ...sent });
      assert.equal(status, wanted, JSON.stringify(body).slice(0, 100));
    }
    const form = { ...headers, "content-type": "text/plain" };
    assert.equal((await ask(dash, { path: "/api/act", headers: form, body: basic })).status, 400);
    assert.equal((await ask(dash, { path: "/api/act", headers, method: "GET" })).status, 405);
    assert.equal((await json<ServiceView[]>("ps", "web"))[0]?.state, "running");
  });

  test("the page runs its own files alone, is shown in no frame and is kept in no cache", async () => {
    const { headers, body } = await ask(dash, { path: "/" });
    const policy = String(headers["content-security-policy"]);
    assert.match(policy, /^default-src 'none'; script-src 'self';/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.equal(headers["cache-control"], "no-store");
    assert.doesNotMatch(body, /<script(?! type="module" src="\/app\.js">)|<style| on\w+=/);
  });

  test("read-only on a Unix socket: actions are refused, and the file is of one user", async () => {
    const path = join(temporaryDirectory(scope, 0o755), "dash.sock");
    const site = await startDash(world, "--read-only", "--listen", path);
    assert.deepEqual([site.address, site.readOnly], [path, true]);
    if (withoutRoot === false) assert.equal(askAsNobody(site, "/"), "EACCES");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const body = { verb: "stop", app: "shop", service: "web" };
    const headers = await entered(site);
    const { status, code } = await ask(site, { path: "/api/act", headers, body });
    assert.deepEqual([status, code], [403, "NEWEL_E_DASH_READ_ONLY"]);
    assert.equal((await json<ServiceView[]>("ps", "web"))[0]?.state, "running");
  });

  test("another user of the machine gets no data", { skip: withoutRoot }, () => {
    assert.equal(askAsNobody(dash, "/api/stream"), "401");
  });

  test("an address that other machines reach, or that is taken, is refused", async () => {
    for (const address of ["[::]:7070", "example.com:7070"]) {
      const { code, stderr } = await newel("dash", "--listen", address);
      assert.equal(code, 2, address);
      assert.match(stderr, /NEWEL_E_DASH_PUBLIC/);
    }
    const taken = await newel("dash", "--listen", dash.address);
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /NEWEL_E_DASH_ADDRESS/);
  });
});

describe("the page in Chromium", { skip: withoutChromium }, () => {
  let page: Page;
  let site: Dash;
  const errors: string[] = [];

  before(async () => {
    site = await startDash(world, "--listen", "127.0.0.1:0");
    const browser = await startChromium(scope);
    page = await (await browser.newContext({ viewport: { width: 1200, height: 900 } })).newPage();
    page.on("pageerror", ({ message }) => errors.push(message));
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    await page.goto(site.url);
  });

  const textOf = async (selector: string): Promise<string> =>
    (await page.locator(selector).first().innerText()).replaceAll(/\s+/g, " ");
  const shows = (selector: string, text: string | RegExp): Promise<unknown> =>
    eventually(
      async () => {
        const all = await page.locator(selector).allInnerTexts();
        return all.some((each) =>
          typeof text === "string" ? each.includes(text) : text.test(each),
        );
      },
      `${selector} shows ${String(text)}`,
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}: ${await page.locator("body").innerText()}`);
    });
  const open = async (view: string): Promise<void> => {
    await page.evaluate(`location.hash = ${JSON.stringify(view)}; undefined`);
  };
  const list = (...names: string[]): Promise<ServiceView[]> => json("ps", ...names);
  /** Opens the question of an action by its button, and runs it. */
  const act = async (button: string, line: string): Promise<void> => {
    await page.getByRole("button", { name: button, exact: true }).first().click();
    await shows("dialog[open] code", line);
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await shows(".commands", new RegExp(`${line}.*\\n?.*done`));
  };

  test("the link signs in once and leaves the address", async () => {
    await shows("h1", "Every service is as it should be");
    assert.equal(page.url(), `http://${site.address}/`);
    await page.goto(site.url);
    await shows("h1", "Every service is as it should be");
  });

  test("services are shown as newel ps lists them", async () => {
    await open("#/services");
    for (const { name, state, ready, replicas } of await list()) {
      const row = `tr:has(th:has-text("${name}"))`;
      await shows(row, state);
      await shows(row, `${ready}/${replicas}`);
    }
  });

  test("a crash is shown as newel why explains it, and its button fixes it", async () => {
    await open("#/");
    world.write("crash", "");
    await shows("h1", "1 thing is wrong");
    await shows(".reason .state", "failed");
    const { services } = await json<{
      services: { what: string; facts: string[]; fix: string; advice: string }[];
    }>("why");
    const [reason] = services;
    assert.ok(reason !== undefined);
    const untimed = (text: string): string => text.replace(/, \S+ ago/, "");
    assert.equal(untimed(await textOf(".reason .what")), untimed(reason.what));
    assert.deepEqual(await page.locator(".reason .fact").allInnerTexts(), reason.facts);
    assert.equal(await textOf(".reason .advice"), reason.advice);
    assert.equal(await textOf(".reason .fix code"), reason.fix);
    await shows(".reason pre", "connect ECONNREFUSED 127.0.0.1:2525");
    rmSync(join(world.directory, "crash"));
    await act("Restart…", "newel restart mailer --app shop");
    await shows("h1", "Every service is as it should be");
    assert.equal((await list("mailer"))[0]?.state, "running");
  });

  test("lines stream, are found, and hostile ones are text alone", async () => {
    await open("#/logs?service=shop%2Fweb");
    const say = (text: string): Promise<unknown> =>
      fetch(`http://127.0.0.1:${port}/${encodeURIComponent(text)}`);
    await shows("main", /No line|Output/);
    await say("<img src=x onerror=alert(1)><b>bold</b>");
    await shows(".line bdi", "<img src=x onerror=alert(1)><b>bold</b>");
    await say("\u001B[31m red\u001B[0m\u001B]8;;http://evil.example\u0007 link");
    await shows(".line bdi", /^\s*red link$/);
    await say("safe\u202Egpj.exe\u2028next");
    await shows(".line bdi", "safe⟨U+202E⟩gpj.exe⟨U+2028⟩next");
    await say('{"level":50,"msg":"pino \\u202e says","order":7}');
    await shows(".line bdi", "error pino ⟨U+202E⟩ says order=7");
    assert.equal(await page.locator(".line bdi :is(img, b, a)").count(), 0);
    await page.getByPlaceholder("text in the line").fill("GPJ");
    await eventually(
      async () => (await page.locator(".line").count()) === 1,
      "only the found line is shown",
    );
    assert.equal(await textOf(".line mark"), "gpj");
    await say("one more gpj");
    await shows(".line bdi", "one more gpj");
  });

  test("one service: as newel show prints it, without a value of its environment", async () => {
    await open("#/service/shop/web");
    const [shown] = await json<ServiceDetail[]>("show", "web");
    assert.ok(shown !== undefined);
    await shows(".facts", shown.envKeys.join(" "));
    await shows(".facts", shown.command);
    await shows("table", String(shown.processes[0]?.pid));
    const content = await page.content();
    assert.ok(content.includes("API_KEY") && !content.includes(SECRET));
  });

  test("every action of a service acts, and its command line is shown", async () => {
    const pid = async (): Promise<number | undefined> => (await list("web"))[0]?.processes[0]?.pid;
    const before = await pid();
    await act("Reload web", "newel reload web --app shop");
    const reloaded = await pid();
    assert.notEqual(reloaded, before);
    await act("Restart web", "newel restart web --app shop");
    assert.notEqual(await pid(), reloaded);
    await page.getByRole("button", { name: "Scale web" }).click();
    await page.getByLabel("Processes").fill("2");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await eventually(async () => (await list("web"))[0]?.ready === 2, "2 replicas are ready");
    await shows("table", "web.2");
    await act("Stop web", "newel stop web --app shop");
    await shows("h1", "stopped");
    assert.equal((await list("web"))[0]?.state, "stopped");
    await act("Start web", "newel start web --app shop");
    await shows("h1", "running");
    assert.equal((await list("web"))[0]?.state, "running");
    await open("#/events");
    await shows(".events", "mailer");
    await shows(".act", "newel scale web=2 --app shop");
  });

  test("sockets are shown as newel sockets lists them", async () => {
    await open("#/sockets");
    const sockets = await json<{ name: string; backlog: number }[]>("sockets");
    assert.ok(sockets.length > 0);
    for (const { name, backlog } of sockets)
      await shows("tbody tr", new RegExp(`${name}.*127.0.0.1:${port}.*/${backlog}.*bound`, "s"));
    await open("#/singletons");
    await shows("main", "No singleton has an owner here.");
  });

  test("queues and runs: filters of the address, and every action acts", async () => {
    const runs: string[] = [];
    for (const input of ["<b>ann</b>", "bob"]) {
      const words = ["mail", JSON.stringify({ to: input }), "--queue", "mails", "--by", input];
      runs.push((await newel("jobs", "add", ...words)).stdout.trim());
    }
    const [first = ""] = runs;
    const stateOf = async (id: string): Promise<string> =>
      (await json<{ state: string }>("jobs", "show", id)).state;
    await open("#/queues");
    const row = "tr:has(th:has-text('mails'))";
    await shows(row, /mails\s+2\s+0\s+0/);
    await act("Pause mails", "newel jobs pause mails");
    await shows(row, "paused");
    assert.equal((await json<{ paused: boolean }[]>("jobs", "stats"))[0]?.paused, true);
    await act("Resume mails", "newel jobs resume mails");
    await page.locator(`${row} a`, { hasText: "2" }).click();
    await shows("h1", "Runs");
    assert.match(page.url(), /#\/runs\?queue=mails&state=waiting$/);
    await eventually(async () => (await page.locator("tbody tr").count()) === 2, "2 runs");
    await page.locator(`tbody a[title="${first}"]`).click();
    await shows(".facts", '"to": "<b>ann</b>"');
    await act(`Cancel ${first}`, `newel jobs cancel ${first}`);
    await shows("main .state", "cancelled");
    assert.equal(await stateOf(first), "cancelled");
    await act(`Retry ${first}`, `newel jobs retry ${first}`);
    assert.equal(await stateOf(first), "waiting");
    await open("#/queues");
    await act("Drain mails", "newel jobs drain mails");
    await shows(row, /mails\s+0\s+0\s+0/);
    await open("#/runs?state=nonsense");
    await shows(".note", "nonsense");
  });

  test("deploys: the releases as newel releases lists them, and the way back", async () => {
    await world.succeed("deploy", ".");
    await world.succeed("deploy", ".");
    await open("#/deploys");
    await shows("tbody tr", /^\s*2\s.*live/s);
    await shows("tbody tr", /^\s*1\s.*former/s);
    await act("Roll back to release 1", "newel rollback 1 --app shop");
    const releases = await json<{ number: number; state: string }[]>("releases", "shop");
    assert.deepEqual(
      releases.map(({ number, state }) => [number, state]),
      [
        [1, "live"],
        [2, "former"],
      ],
    );
    await shows("tbody tr", /^\s*1\s.*live/s);
  });

  test("the keyboard alone reaches a service and its actions", async () => {
    await page.keyboard.press("Control+k");
    await page.keyboard.type("restart shop/mailer");
    await page.keyboard.press("Enter");
    await shows("dialog[open] code", "newel restart mailer --app shop");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await page.keyboard.type("shop/mailer");
    await page.keyboard.press("Enter");
    await shows("h1", "mailer");
  });

  test("on a narrow screen nothing but tables and lines is wider than the screen", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    const views = ["", "services", "service/shop/web", "logs", "deploys", "queues", "runs"];
    for (const view of [...views, "sockets", "singletons", "events"]) {
      await open(`#/${view}`);
      await page.locator("h1").first().waitFor();
      const width = await page.evaluate<number>("document.documentElement.scrollWidth");
      assert.ok(width <= 360, `${view} is ${width} px wide`);
    }
  });

  test("no script of the page failed, and the policy blocked none", async () => {
    // The second use of the link is the one refused request.
    assert.deepEqual(
      errors.filter((text) => !text.includes("403")),
      [],
    );
  });
});
