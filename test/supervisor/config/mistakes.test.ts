import assert from "node:assert/strict";
import { test } from "node:test";

import { loadError, makeApp } from "./app.ts";

/** A mistake: its settings of the service `web` on line 5, and the sentence that the reader answers with. */
type Mistake = readonly [settings: string, says: string];

const SETTINGS: readonly Mistake[] = [
  ['"replica": 2', 'replica is not a setting here. Did you mean "replicas"?'],
  ['"instances": 2', 'instances is not a setting here: pm2\'s "instances" is "replicas".'],
  ['"replicas": "two"', 'replicas is "two"; must be a whole number from 0 to 1000, or "cpus".'],
  ['"replicas": "2"', 'replicas is "2"; write the number without quotes: 2.'],
  [
    '"enviroment": {}',
    'enviroment is not a setting here: compose\'s "environment" is "env", an object.',
  ],
  [
    '"scrpt": "server.ts"',
    'scrpt is not a setting here: pm2\'s "script" is "node" (a Node.js program) or "run" (any other).',
  ],
  [
    '"stop": { "grace": 10 }',
    'stop.grace is 10; must be a duration such as "500ms", "10s", "2m". Did you mean "10s"?',
  ],
  [
    '"stop": { "grace": "10 sec" }',
    'stop.grace is "10 sec"; must be a duration such as "500ms", "10s", "2m". Did you mean "10s"?',
  ],
  [
    '"stop": { "grace": 30000 }',
    'stop.grace is 30000; must be a duration such as "500ms", "10s", "2m". Did you mean "30s"?',
  ],
  [
    '"stop": "SIGINT"',
    'stop is "SIGINT"; must be an object: { signal, grace, scope, … }. Did you mean { signal: "SIGINT" }?',
  ],
  [
    '"stop": { "signal": "TERM" }',
    'stop.signal is "TERM"; must be the name of a signal, such as "SIGTERM". Did you mean "SIGTERM"?',
  ],
  [
    '"stop": { "signal": 2 }',
    'stop.signal is 2; must be the name of a signal, such as "SIGTERM". Did you mean "SIGINT"?',
  ],
  ['"stop": { "graceMs": 500 }', 'stop.graceMs is not a setting here. Did you mean "grace"?'],
  [
    '"ready": "/healthz"',
    'ready is "/healthz"; must be an object: { http, tcp, pattern, … }. Did you mean { http: "/healthz" }?',
  ],
  [
    '"ready": { "http": "healthz" }',
    'ready.http is "healthz"; must be a path or an http URL: "/healthz", "http://127.0.0.1:8000/healthz". Did you mean "/healthz"?',
  ],
  [
    '"ready": { "tcp": 6379 }',
    'ready.tcp is 6379; must be an address: "127.0.0.1:6380". Did you mean "127.0.0.1:6379"?',
  ],
  ['"ready": { "timout": "5s" }', 'ready.timout is not a setting here. Did you mean "timeout"?'],
  ['"listen": "3000"', 'listen is "3000"; a port is a number without quotes: 3000.'],
  ['"listen": 70000', "listen is 70000; a port is a whole number from 1 to 65535."],
  [
    '"listen": "localhost"',
    'listen is "localhost"; an address needs a port. Did you mean "localhost:3000"?',
  ],
  [
    '"listen": "8080:3000"',
    'listen is "8080:3000"; newel maps no ports as compose does: write the port the program listens on.',
  ],
  ['"port": 3000', 'port is not a setting here: write listen: 3000 or listen: "127.0.0.1:3000".'],
  [
    '"listen": { "port": 3000 }',
    'listen is an object; must be the name of a socket, a port, an address or a path: "web", 3000, "127.0.0.1:3000", "/run/app.sock". Did you mean 3000?',
  ],
  [
    '"env": { "DEBUG": true }',
    'env.DEBUG is a boolean; must be a text in quotes (or a number): NAME: "value". Did you mean "true"?',
  ],
  [
    '"env": { "A-B": "1" }',
    'env has "A-B", which cannot be the name of a variable: use letters, digits and "_".',
  ],
  [
    '"envFile": ".env.prod"',
    'envFile is ".env.prod", which does not exist; write ".env.prod?" if it may be missing.',
  ],
  [
    '"env": { "KEY": "${NO_SUCH_KEY}" }',
    "env.KEY needs the variable NO_SUCH_KEY, which is not set: set it, or write a default, ${NO_SUCH_KEY:-…}.",
  ],
  [
    '"dependsOn": "db"',
    'dependsOn is "db"; must be a list or an object: ["db"] or { db: "ready" }. Did you mean ["db"]?',
  ],
  ['"dependsOn": ["dbb"]', 'dependsOn has "dbb"; there is no such service. Did you mean "db"?'],
  [
    '"dependsOn": { "db": { "condition": "service_healthy" } }',
    'dependsOn.db is an object; use "started", "ready" or "completed". Did you mean "ready"?',
  ],
  ['"dependsOn": ["web"]', 'dependsOn has "web", which is the service itself.'],
  [
    '"restart": "unless-stopped"',
    'restart is "unless-stopped"; use "always", "on-failure" or "never". Did you mean "always"?',
  ],
  [
    '"restart": false',
    'restart is false; use "always", "on-failure" or "never". Did you mean "never"?',
  ],
  [
    '"restart": { "maxRestarts": 10 }',
    'restart.maxRestarts is not a setting here. Write it as "max".',
  ],
  [
    '"restart": { "backoff": "1s" }',
    'restart.backoff is "1s"; must be an object: { min, max }. Did you mean { min: "1s" }?',
  ],
  [
    '"logs": { "bufsize": "64M" }',
    'logs.bufsize is "64M"; must be a size such as "64kB", "512MB", "1GB". Did you mean "64MB"?',
  ],
  [
    '"logs": { "bufsize": 64 }',
    'logs.bufsize is 64; must be a size such as "64kB", "512MB", "1GB". Did you mean "64MB"?',
  ],
  [
    '"args": "--verbose --port 3000"',
    'args is "--verbose --port 3000"; must be a list of texts: ["--verbose"]. Did you mean ["--verbose", "--port", "3000"]?',
  ],
  [
    '"umask": 22',
    'umask is 22; must be three octal digits in quotes, such as "022". Did you mean "022"?',
  ],
  [
    '"enabled": "false"',
    'enabled is "false"; must be true or false. Did you mean false, without quotes?',
  ],
  [
    '"reload": "rolling"',
    'reload is "rolling"; must be an object: { order }. Did you mean { order: "start-first" }?',
  ],
  [
    '"watch": "src"',
    'watch is "src"; must be true, false, or an object: { paths: ["src"] }. Did you mean { paths: ["src"] }?',
  ],
  ['"limits": { "nofiles": 1 }', 'limits.nofiles is not a setting here. Did you mean "nofile"?'],
  ['"cwd": "./nowhere"', 'cwd is "./nowhere", which is no directory: "<DIR>/nowhere".'],
  ['"run": "date"', 'run stands beside "node": write one of them.'],
];

/** Whole files, with the line of the mistake. */
const FILES: readonly (readonly [name: string, text: string, says: string])[] = [
  [
    "newel.config.json",
    '{\n  "services": {\n    "a": { "run": "date", "dependsOn": ["b"] },\n    "b": { "run": "date", "dependsOn": ["a"] }\n  }\n}\n',
    ":3  services.a.dependsOn makes a circle: a → b → a. One of them must start first.",
  ],
  [
    "newel.config.json",
    '{\n  "sockets": {\n    "web": { "port": 3000 },\n    "api": { "port": 3000 }\n  },\n  "services": {}\n}\n',
    ':4  sockets.api is ":3000", which cannot be bound together with ":3000" of sockets.web: use one socket, or another port.',
  ],
  [
    "newel.config.json",
    '{\n  "services": {\n    "web": { "node": "sever.ts" }\n  }\n}\n',
    ':3  services.web.node is "sever.ts", which does not exist: "<DIR>/sever.ts". Did you mean "server.ts"?',
  ],
  [
    "newel.config.json",
    '{\n  "services": {\n    "my web": { "run": "date" }\n  }\n}\n',
    ':3  services["my web"] is not a usable name: use letters, digits, "-" and "_", a letter first, at most 100. Did you mean "my-web"?',
  ],
  [
    "newel.config.json",
    '{\n  "services": {\n    "web": { "run": "date" },\n  }\n}\n',
    ":4  The file is not valid JSON: JSON has names and texts in double quotes, no comments, no comma at the end.",
  ],
  [
    "newel.config.json",
    '{\n  "service": {}\n}\n',
    ':2  service is not a setting here. Did you mean "services"?',
  ],
  [
    "newel.config.ts",
    "export const config = {\n  services: {},\n};\n",
    "  The file has no default export: write export default defineConfig({ … }).",
  ],
  [
    "newel.config.ts",
    'import { define } from "newel";\n\nexport default define({ services: {} });\n',
    ':1  "newel" exports no "define". Check the name; a type needs import type.',
  ],
  [
    "newel.config.ts",
    'export default {\n  services: {\n    web: { run: "date" }\n    db: { run: "date" },\n  },\n};\n',
    ":4  The file cannot be parsed: expected ',', got a word.",
  ],
];

const inService = (settings: string): string => `{
  "services": {
    "web": {
      "node": "server.ts",
      ${settings}
    },
    "db": { "run": "redis-server" }
  }
}
`;

for (const [settings, says] of SETTINGS)
  test(`a mistake is named with its line, its value and the correction: ${settings}`, async (t) => {
    const directory = makeApp(t, { "newel.config.json": inService(settings) });
    const { code, message } = await loadError(directory);
    assert.equal(code, "NEWEL_E_CONFIG");
    assert.equal(
      message.replaceAll(directory, "<DIR>"),
      `newel.config.json:5  services.web.${says}`,
    );
  });

for (const [name, text, says] of FILES)
  test(`a mistake of a whole file is named: ${says}`, async (t) => {
    const directory = makeApp(t, { [name]: text });
    const { message } = await loadError(directory);
    assert.equal(message.replaceAll(directory, "<DIR>"), `${name}${says}`);
  });

test("forty mistakes are tried", () => {
  assert.ok(SETTINGS.length + FILES.length >= 40);
});
