import { type BrokenCase, clock, toCase, web, SERVICE_SETTINGS } from "./case.ts";

export const SETTINGS: readonly BrokenCase[] = [
  [
    "wrong checks",
    web(
      'maxMemory: "lots", alive: { log: "x", interval: "1ms" }, ready: { pattern: "(", command: [] }',
    ),
    'newel.config.ts:4  services.web.maxMemory is "lots"; must be a size such as "64kB", "512MB", "1GB".',
    'newel.config.ts:4  services.web.alive has no check: write "http", "tcp" or "command", as in { http: "/healthz" }.',
    'newel.config.ts:4  services.web.alive.log is not a setting here; there are "http", "tcp", "command", "interval", "timeout", "threshold".',
    'newel.config.ts:4  services.web.alive.interval is "1ms"; must be at least "100ms".',
    'newel.config.ts:4  services.web.ready.pattern is "(", which is no regular expression: /(/u: Unterminated group.',
    'newel.config.ts:4  services.web.ready.command is a list; must be a command: "pg_isready", or without a shell ["pg_isready", "-q"].',
  ],
  [
    "misspelt setting",
    web("replica: 2"),
    'newel.config.ts:4  services.web.replica is not a setting here. Did you mean "replicas"?',
  ],
  [
    "snake case",
    web("node_arg: []"),
    'newel.config.ts:4  services.web.node_arg is not a setting here. Did you mean "nodeArgs"?',
  ],
  [
    "unrecognizable setting",
    web("zzzzzzzz: 2"),
    `newel.config.ts:4  services.web.zzzzzzzz is not a setting here; there are ${SERVICE_SETTINGS}.`,
  ],
  [
    "misplaced setting",
    web('grace: "10s"'),
    "newel.config.ts:4  services.web.grace is not a setting here: write stop: { grace: … }.",
  ],
  [
    "port as a setting",
    web("port: 3000"),
    'newel.config.ts:4  services.web.port is not a setting here: write listen: 3000 or listen: "127.0.0.1:3000".',
  ],
  [
    "name as a setting",
    web('name: "web"'),
    "newel.config.ts:4  services.web.name is not a setting here: the key is the service's name.",
  ],
  [
    "misspelt top setting",
    'export default {\n  sevices: { web: { node: "server.ts" } },\n};\n',
    'newel.config.ts:2  sevices is not a setting here. Did you mean "services"?',
  ],
  [
    "replicas as text",
    web('replicas: "2"'),
    'newel.config.ts:4  services.web.replicas is "2"; write the number without quotes: 2.',
  ],
  [
    "negative replicas",
    web("replicas: -1"),
    "newel.config.ts:4  services.web.replicas is -1; must be a whole number from 0 to 1000.",
  ],
  [
    "fractional replicas",
    web("replicas: 1.5"),
    "newel.config.ts:4  services.web.replicas is 1.5; must be a whole number from 0 to 1000.",
  ],
  [
    "duration with words",
    web('stop: { grace: "20 sec" }'),
    'newel.config.ts:4  services.web.stop.grace is "20 sec"; must be a duration such as "500ms", "10s", "2m". Did you mean "20s"?',
  ],
  [
    "duration as number",
    web("ready: { timeout: 15 }"),
    'newel.config.ts:4  services.web.ready.timeout is 15; must be a duration such as "500ms", "10s", "2m". Did you mean "15s"?',
  ],
  [
    "duration too long",
    web('restart: { within: "40d" }'),
    'newel.config.ts:4  services.web.restart.within is "40d"; must be at most "24d".',
  ],
  [
    "no time at all",
    web('ready: { timeout: "0s" }'),
    'newel.config.ts:4  services.web.ready.timeout is "0s"; must be at least "1ms".',
  ],
  [
    "backoff upside down",
    web('restart: { backoff: { min: "10s", max: "1s" } }'),
    'newel.config.ts:4  services.web.restart.backoff.min is longer than its "max": "10s" and "1s".',
  ],
  [
    "linger longer than grace",
    web('stop: { grace: "1s", linger: "2s" }'),
    'newel.config.ts:4  services.web.stop.linger is longer than "grace": "2s" and "1s".',
  ],
  [
    "age without unit",
    web('logs: { maxAge: "30" }'),
    'newel.config.ts:4  services.web.logs.maxAge is "30"; must be a duration such as "500ms", "10s", "2m".',
  ],
  [
    "size without unit",
    web('logs: { bufsize: "64M" }'),
    'newel.config.ts:4  services.web.logs.bufsize is "64M"; must be a size such as "64kB", "512MB", "1GB". Did you mean "64MB"?',
  ],
  [
    "size as number",
    web("logs: { bufsize: 1000000 }"),
    'newel.config.ts:4  services.web.logs.bufsize is 1000000; must be a size such as "64kB", "512MB", "1GB". Did you mean "1MB"?',
  ],
  [
    "signal without SIG",
    web('stop: { signal: "TERM" }'),
    'newel.config.ts:4  services.web.stop.signal is "TERM"; must be the name of a signal, such as "SIGTERM". Did you mean "SIGTERM"?',
  ],
  [
    "no signal",
    web('stop: { signal: "SIGTREM" }'),
    'newel.config.ts:4  services.web.stop.signal is "SIGTREM"; must be the name of a signal, such as "SIGTERM". Did you mean "SIGTERM"?',
  ],
  [
    "restart misspelt",
    web('restart: "allways"'),
    'newel.config.ts:4  services.web.restart is "allways"; use "always", "on-failure" or "never". Did you mean "always"?',
  ],
  [
    "restart boolean",
    web("restart: true"),
    'newel.config.ts:4  services.web.restart is true; use "always", "on-failure" or "never". Did you mean "always"?',
  ],
  [
    "restart max zero",
    web("restart: { max: 0 }"),
    "newel.config.ts:4  services.web.restart.max is 0; must be a whole number from 1 to 1000000.",
  ],
  [
    "two kinds of readiness",
    web('ready: { http: "/healthz", log: "up" }'),
    'newel.config.ts:4  services.web.ready has "http" and "log": write one of them.',
  ],
  [
    "compose's test",
    web('ready: { test: "curl" }'),
    'newel.config.ts:4  services.web.ready.test is not a setting here. Write it as "command".',
  ],
  [
    "probe without slash",
    web('ready: { http: "healthz" }'),
    'newel.config.ts:4  services.web.ready.http is "healthz"; must be a path or an http URL: "/healthz", "http://127.0.0.1:8000/healthz". Did you mean "/healthz"?',
  ],
  [
    "probe by https",
    web('ready: { http: "https://127.0.0.1/" }'),
    'newel.config.ts:4  services.web.ready.http is "https://127.0.0.1/"; must be a path or an http URL: "/healthz", "http://127.0.0.1:8000/healthz".',
  ],
  [
    "probe path of a silent program",
    clock('run: "x", ready: { http: "/healthz" }'),
    'newel.config.ts:3  services.clock.ready.http is "/healthz", but the service listens on nothing newel knows: write the whole URL, "http://127.0.0.1:8000/healthz".',
  ],
  [
    "probe address",
    web('ready: { tcp: "6380" }'),
    'newel.config.ts:4  services.web.ready.tcp is "6380"; must be an address: "127.0.0.1:6380". Did you mean "127.0.0.1:6380"?',
  ],
  [
    "umask as number",
    web("umask: 0o022"),
    'newel.config.ts:4  services.web.umask is 18; must be three octal digits in quotes, such as "022".',
  ],
  [
    "stderr",
    web('logs: { stderr: "file" }'),
    'newel.config.ts:4  services.web.logs.stderr is "file"; use "separate" or "stdout".',
  ],
  [
    "enabled as text",
    web('enabled: "yes"'),
    'newel.config.ts:4  services.web.enabled is "yes"; must be true or false. Did you mean true, without quotes?',
  ],
  [
    "service is a text",
    'export default {\n  services: {\n    web: "server.ts",\n  },\n};\n',
    'newel.config.ts:3  services.web is "server.ts"; must be an object: { node, run, args, … }. Did you mean { node: "server.ts" }?',
  ],
  [
    "services as a list",
    'export default {\n  services: [{ name: "web" }],\n};\n',
    'newel.config.ts:2  services is a list; must be an object: { web: { node: "src/server.ts" } }. Did you mean an object with the names as its keys?',
  ],
  [
    "null",
    web("cwd: null"),
    'newel.config.ts:4  services.web.cwd is null; must be a directory: "./server".',
  ],
  [
    "pass a value",
    web('passEnv: ["A=hunter2hunter2"]'),
    'newel.config.ts:4  services.web.passEnv[0] is "A"; must be a name, or a beginning and "*": "AWS_*".',
  ],
  [
    "pass newel's own",
    web('passEnv: ["NEWEL_*"]'),
    'newel.config.ts:4  services.web.passEnv[0] is "NEWEL_*"; newel\'s own variables are never handed on.',
  ],
  [
    "instance variable that is no name",
    web('instanceVar: "A-B"'),
    'newel.config.ts:4  services.web.instanceVar is "A-B"; must be the name of a variable: letters, digits and "_".',
  ],
  [
    "instance variable of newel",
    web('instanceVar: "NEWEL_REPLICA"'),
    'newel.config.ts:4  services.web.instanceVar is "NEWEL_REPLICA", which is set by newel itself.',
  ],
  [
    "instance variable that env sets",
    web('env: { INSTANCE: 1 }, instanceVar: "INSTANCE"'),
    'newel.config.ts:4  services.web.instanceVar is "INSTANCE", which "env" sets too: leave one of them out.',
  ],
  [
    "nodePath of another program",
    clock('run: "date", nodePath: "/usr/bin/node"'),
    'newel.config.ts:3  services.clock.nodePath goes with "node", not with "run": leave it out.',
  ],
].map(toCase);
