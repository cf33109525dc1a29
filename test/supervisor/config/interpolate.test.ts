import assert from "node:assert/strict";
import { test } from "node:test";

import { load, loadError, makeApp, serviceOf } from "./app.ts";
import { interpolate } from "../../../src/supervisor/config/interpolate.ts";

const VARIABLES: Readonly<Record<string, string>> = {
  SET: "x",
  EMPTY: "",
  N: "7",
  REF: "$(replica)",
};
const replace = (text: string, keys = ["name"]) =>
  interpolate(text, keys, (name) => (Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined));

/** [the text, the result] */
const RESULTS: readonly (readonly [string, string])[] = [
  ["${SET}", "x"],
  ["a${SET}b${N}c", "axb7c"],
  ["${EMPTY}", ""],
  ["${NONE:-d}", "d"],
  ["${NONE-d}", "d"],
  ["${EMPTY:-d}", "d"],
  ["${EMPTY-d}", ""],
  ["${NONE:-}", ""],
  ["${SET:-d}", "x"],
  ["${NONE:-a:-b}", "a:-b"],
  ["${NONE:-${EMPTY:-${SET}}}/y", "x/y"],
  ["${NONE:-line\nbreak}", "line\nbreak"],
  ["${SET:?needed}", "x"],
  ["${EMPTY?needed}", ""],
  ["$${SET}", "${SET}"],
  ["$${a} ${SET} $$ $x $(replica) }", "${a} x $$ $x $(replica) }"],
  ["100% $", "100% $"],
];

test("variables are replaced in every form, with defaults and escapes", () => {
  for (const [text, result] of RESULTS) {
    const { value, findings } = replace(text);
    assert.deepEqual({ text, value, findings }, { text, value: result, findings: [] });
  }
});

/** [the text, the message] */
const PROBLEMS: readonly (readonly [string, string])[] = [
  ["${NONE}", "needs the variable NONE, which is not set: set it, or write a default, ${NONE:-…}."],
  [
    "${EMPTY:?}",
    "needs the variable EMPTY, which is empty: set it, or write a default, ${EMPTY:-…}.",
  ],
  ["${NONE:?ask ${SET} for it}", "needs the variable NONE: ask x for it"],
  ["${EMPTY:?say it}", "needs the variable EMPTY: say it"],
  ["${SET", 'has "${" without its "}"; write "$${" for the text itself.'],
  [
    "${a b}",
    'has "${a b}"; write ${NAME}, ${NAME:-default} or ${NAME:?message}, or "$${" for the text itself.',
  ],
  [
    "${SET:+y}",
    'has "${SET:+y}"; write ${NAME}, ${NAME:-default} or ${NAME:?message}, or "$${" for the text itself.',
  ],
  ["${REF}", 'has ${REF}, whose value has a reference of newel, "$(…)": write it here instead.'],
  ["${A:-".repeat(30) + "x" + "}".repeat(30), "has more than 20 defaults within each other."],
];

test("a variable without a value and a form that is none are named, and the text stays", () => {
  for (const [text, says] of PROBLEMS) {
    const { value, findings } = replace(text);
    assert.deepEqual([value, findings], [text, [{ keys: ["name"], says }]]);
  }
});

test("settings that are numbers or flags take variables, texts stay texts", async (t) => {
  const directory = makeApp(t, {
    ".env.test": "PORT=4001\nBOTH=file\nKEY=hunter2hunter2",
    "newel.config.json": JSON.stringify({
      name: "${APP:-shop}",
      envFile: ".env.${MODE}",
      env: { ID: "${N}", LITERAL: "$${N}" },
      sockets: { web: { port: "${PORT}", host: "${HOST:-127.0.0.1}" } },
      services: {
        web: {
          run: ["server", "--key=${KEY}", "${BOTH}"],
          listen: ["web", "${ADMIN:-4002}"],
          replicas: "${N}",
          stop: { grace: "${GRACE:-5s}" },
          restart: { max: "${MAX:-3}" },
        },
        off: { run: "echo ${N:-shell}", enabled: "${OFF:-false}" },
      },
    }),
  });
  const environment = { PATH: "/usr/bin:/bin", MODE: "test", N: "2", BOTH: "caller", PORT: "9" };
  const config = await load(directory, { environment });
  assert.equal(config.name, "shop");
  const web = serviceOf(config, "web");
  assert.equal(web.listen[0]?.host, "127.0.0.1");
  assert.deepEqual(
    web.listen.map(({ port }) => port),
    [4001, 4002],
  );
  assert.deepEqual([web.replicas, web.stop.graceMs, web.restart.max], [2, 5000, 3]);
  assert.deepEqual(web.command, { kind: "exec", args: ["server", "--key=hunter2hunter2", "file"] });
  // The command is shown as it is written.
  assert.equal(web.shownCommand, "server --key=${KEY} ${BOTH}");
  assert.deepEqual([web.env["ID"], web.env["LITERAL"]], ["2", "${N}"]);
  const off = serviceOf(config, "off");
  assert.deepEqual(
    [off.enabled, off.command],
    [false, { kind: "shell", line: "echo ${N:-shell}" }],
  );
  assert.equal(off.shownCommand, undefined);
});

test("a missing variable is reported once, at its line, and a value of a .env file is not shown", async (t) => {
  const directory = makeApp(t, {
    ".env": "TOKEN=hunter2hunter2\nTWO=2",
    "newel.config.json": `{
  "envFile": ".env",
  "services": {
    "web": {
      "run": ["x"],
      "replicas": "\${WEB_COUNT}",
      "cwd": "\${TOKEN}",
      "restart": "\${TWO}",
      "listen": "\${WHERE:?the port of the web}"
    }
  }
}`,
  });
  const { message } = await loadError(directory);
  assert.deepEqual(message.split("\n"), [
    "newel.config.json:6  services.web.replicas needs the variable WEB_COUNT, which is not set: set it, or write a default, ${WEB_COUNT:-…}.",
    `newel.config.json:7  services.web.cwd is "$TOKEN", which is no directory: "${directory}/$TOKEN".`,
    'newel.config.json:8  services.web.restart is "2"; use "always", "on-failure" or "never".',
    "newel.config.json:9  services.web.listen needs the variable WHERE: the port of the web",
  ]);
});

test("a range of ports numbers the replicas, and its mistakes are named", async (t) => {
  const services = {
    own: {
      run: ["x", "$(port)"],
      portRange: "3001-3003",
      replicas: 3,
      ready: { tcp: "127.0.0.1:$(port)" },
    },
    web: {
      run: ["x", "$(port)"],
      listen: 3010,
      replicas: 2,
      portRange: "3020-3021",
      ready: { http: "http://[::1]:$(port)/up" },
    },
    none: { run: ["x", "$(port)"], env: { A: "$(port)" }, ready: { tcp: "127.0.0.1:$(port)" } },
    over: { run: ["x"], portRange: "3003-3005" },
    on: { run: ["x"], portRange: "3006-3030" },
    bad: { run: ["x"], portRange: "3030" },
    shell: { run: "echo $(port)" },
  };
  const directory = makeApp(t, { "newel.config.json": JSON.stringify({ services }) });
  const { message } = await loadError(directory);
  const missing =
    'has $(port), but the service has no "portRange": write one, such as portRange: "3001-3010".';
  assert.deepEqual(
    message.split("\n").map((line) => line.replace("newel.config.json:1  services.", "")),
    [
      'web.portRange is "3020-3021", which is 2 ports for 2 replicas and one more for a reload with order "start-first".',
      `none.run[1] ${missing}`,
      `none.env.A ${missing}`,
      `none.ready.tcp ${missing}`,
      'over.portRange is "3003-3005", which has ports of services.own.portRange.',
      'on.portRange is "3006-3030", which has ports of services.web.portRange.',
      'bad.portRange is "3030"; must be the first and the last port: "3001-3010".',
    ],
  );
});
