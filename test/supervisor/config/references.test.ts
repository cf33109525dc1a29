import assert from "node:assert/strict";
import { test } from "node:test";

import { processEnvironment } from "../../../src/supervisor/config/environment.ts";
import { launchRequest } from "../../../src/supervisor/launch-request.ts";
import { load, loadError, makeApp, serviceOf } from "./app.ts";

const OPTIONS = { hold: false, controlPath: "/run/control.sock", home: "/home" };

const SOCKETS = {
  web: { port: 3000 },
  admin: { host: "127.0.0.1", port: 3001 },
  unix: { path: "x" },
};

const ALL =
  "f=$(socket.web.fileno) p=$(socket.admin.port) u=$(socket.unix.fileno) n=$(replica) $(date)";
const EXPANDED = "f=3 p=3001 u=5 n=2 $(date)";

/** [how a service has the references, the words of its second replica] */
const FORMS: readonly (readonly [string, object, readonly string[]])[] = [
  ["a run text", { run: `x ${ALL}` }, [`x ${EXPANDED}`]],
  ["a run list", { run: ["/bin/x", ALL] }, ["/bin/x", EXPANDED]],
  [
    "args and nodeArgs",
    { node: "server.ts", nodeArgs: ["--title=$(socket.web.port)"], args: [ALL] },
    [process.execPath, "--title=3000", "SERVER", EXPANDED],
  ],
];

for (const [form, settings, words] of FORMS) {
  test(`references in ${form} and in env are replaced by the configuration's names`, async (t) => {
    const directory = makeApp(t, {
      ".env": "FILE=$(replica)\nBOTH=file",
      "newel.config.json": JSON.stringify({
        sockets: SOCKETS,
        envFile: ".env",
        env: { SHARED: "$(socket.web.port)", BOTH: "$(replica)" },
        services: {
          web: {
            listen: ["web", "admin", "unix"],
            passEnv: ["PASSED"],
            env: { OWN: ALL, PLAIN: "1" },
            ...settings,
          },
        },
      }),
    });
    const environment = { PATH: "/usr/bin:/bin", PASSED: "$(replica)" };
    const web = serviceOf(await load(directory, { environment }), "web");
    const run = { app: "app", service: "web", slot: 2, run: 7, hash: web.hash };
    const request = launchRequest(web, run, OPTIONS);
    assert.deepEqual(
      request.args.map((word) => word.replace(`${directory}/server.ts`, "SERVER")),
      words,
    );
    assert.deepEqual(request.sockets, ["app/web", "app/admin", "app/unix"]);
    const { SHARED, BOTH, OWN, PLAIN, FILE, PASSED } = request.env ?? {};
    assert.deepEqual(
      { SHARED, BOTH, OWN, PLAIN },
      { SHARED: "3000", BOTH: "2", OWN: EXPANDED, PLAIN: "1" },
    );
    // Only the configuration's own values have references.
    assert.deepEqual({ FILE, PASSED }, { FILE: "$(replica)", PASSED: "$(replica)" });
    assert.equal(processEnvironment(web)["BOTH"], "$(replica)");
  });
}

test("a port in listen has a name too", async (t) => {
  const service = { run: ["x", "$(socket.port.8080.fileno)"], listen: 8080 };
  const directory = makeApp(t, {
    "newel.config.json": JSON.stringify({ services: { web: service } }),
  });
  assert.deepEqual(serviceOf(await load(directory), "web").command, {
    kind: "exec",
    args: ["x", "3"],
  });
});

/** [the wrong settings, the message] */
const WRONG: readonly (readonly [object, string])[] = [
  [{ run: "x $(socket.wbe.fileno)" }, 'services.w.run asks for the socket "wbe", which is not'],
  [{ run: ["x", "$(socket.admin.port)"] }, 'services.w.run[1] asks for the socket "admin"'],
  [
    { run: ["x", "$(socket.unix.port)"] },
    'services.w.run[1] asks for the port of "unix", which is',
  ],
  [{ run: "x $(socket.web)" }, 'services.w.run has "$(socket.web)"; write $(socket.NAME.fileno)'],
  [{ run: "x $(socket.web.fileno" }, 'services.w.run has "$(socket." without its ")".'],
  [
    { node: "server.ts", args: ["$(socket.no.port)"] },
    'services.w.args[0] asks for the socket "no"',
  ],
  [{ node: "server.ts", nodeArgs: ["$(socket.no.port)"] }, "services.w.nodeArgs[0] asks for"],
  [{ run: "x", env: { A: "$(socket.no.port)" } }, 'services.w.env.A asks for the socket "no"'],
];

for (const [settings, says] of WRONG) {
  test(`a reference without a value is refused: ${says}`, async (t) => {
    const services = { w: { listen: ["web", "unix"], ...settings } };
    const directory = makeApp(t, {
      "newel.config.json": JSON.stringify({ sockets: SOCKETS, services }),
    });
    const { message } = await loadError(directory);
    assert.ok(message.includes(says), message);
  });
}

test("a reference in the env of the app is refused for a service without that socket", async (t) => {
  const services = { web: { run: "x", listen: "web" }, clock: { run: "x" }, other: { run: "x" } };
  const config = { sockets: SOCKETS, env: { PORT: "$(socket.web.port)" }, services };
  const directory = makeApp(t, { "newel.config.json": JSON.stringify(config) });
  const { message } = await loadError(directory);
  assert.match(
    message,
    /^\S+ {2}env\.PORT asks for the socket "web", which is not in "listen" of the service "clock"\.$/,
  );
});
