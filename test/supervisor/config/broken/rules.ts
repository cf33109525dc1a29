import { type BrokenCase, clock, sockets, toCase, web } from "./case.ts";

export const RULES: readonly BrokenCase[] = [
  [
    "neither node nor run",
    clock("replicas: 1"),
    'newel.config.ts:3  services.clock has nothing to run: write "node" (a Node.js program) or "run" (any other).',
  ],
  [
    "both node and run",
    web('run: "x"'),
    'newel.config.ts:4  services.web.run stands beside "node": write one of them.',
  ],
  [
    "no cron expression",
    clock('run: "x", schedule: "61 * * * *"'),
    'newel.config.ts:3  services.clock.schedule is "61 * * * *", which is no cron expression: Constraint error, got value 61 expected range 0-59. Write minute, hour, day, month and weekday, as in "0 3 * * *".',
  ],
  [
    "an unknown time zone of a schedule",
    clock('run: "x", schedule: { cron: "0 3 * * *", tz: "Europe/Nowhere" }'),
    'newel.config.ts:3  services.clock.schedule.tz is "Europe/Nowhere"; must be a time zone: "Europe/Berlin" or "UTC".',
  ],
  [
    "a schedule of a service that runs always",
    clock('run: "x", schedule: "0 3 * * *", restart: "always", listen: 3000'),
    'newel.config.ts:3  services.clock.restart is "always", but a service with "schedule" ends and waits for its next time: use "on-failure" or "never".',
    'newel.config.ts:3  services.clock.listen is for a service that runs always; this one has a "schedule": leave it out.',
  ],
  [
    "cron of a restart with a word",
    web('restart: { cron: "daily" }'),
    'newel.config.ts:4  services.web.restart.cron is "daily", which is no cron expression: it has 1 field. Write minute, hour, day, month and weekday, as in "0 3 * * *".',
  ],
  [
    "args with run",
    clock('run: "x", args: ["-l"]'),
    'newel.config.ts:3  services.clock.args goes with "node", not with "run": put the arguments into "run".',
  ],
  [
    "empty command",
    clock("run: []"),
    'newel.config.ts:3  services.clock.run names no program: write one first, as in ["redis-server", "--port", "6380"].',
  ],
  [
    "number in a command",
    clock('run: ["sleep", 10]'),
    'newel.config.ts:3  services.clock.run[1] is 10; write it in quotes: "10".',
  ],
  [
    "number in arguments",
    web('args: ["--port", 3000]'),
    'newel.config.ts:4  services.web.args[1] is 3000; write it in quotes: "3000".',
  ],
  [
    "unknown socket",
    web('listen: "wbe"'),
    'newel.config.ts:4  services.web.listen is "wbe"; there is no such socket. Did you mean "web"?',
  ],
  [
    "unknown socket, nothing near",
    web('listen: ["web", "xxxxxx"]'),
    'newel.config.ts:4  services.web.listen[1] is "xxxxxx"; there is no such socket: there are "web", "admin". A port or a path needs no declaration: listen: 3000, listen: "/run/app.sock".',
  ],
  [
    "port in quotes",
    web('listen: "3000"'),
    'newel.config.ts:4  services.web.listen is "3000"; a port is a number without quotes: 3000.',
  ],
  [
    "port out of range",
    web("listen: 70000"),
    "newel.config.ts:4  services.web.listen is 70000; a port is a whole number from 1 to 65535.",
  ],
  [
    "host name",
    web('listen: "example.org:3000"'),
    'newel.config.ts:4  services.web.listen is "example.org:3000"; an address is "HOST:PORT" with an IP address: "127.0.0.1:3000", "[::1]:3000".',
  ],
  [
    "socket twice",
    web('listen: ["web", 3000]'),
    "newel.config.ts:4  services.web.listen[1] is 3000, which stands in the list already.",
  ],
  [
    "socket not listened on",
    web('listen: "web", args: ["$(socket.admin.port)"]'),
    'newel.config.ts:4  services.web.args[0] asks for the socket "admin", which is not in "listen" of this service.',
  ],
  [
    "unknown service",
    web('dependsOn: ["dbb"]'),
    'newel.config.ts:4  services.web.dependsOn has "dbb"; there is no such service. Did you mean "db"?',
  ],
  [
    "unknown service, nothing near",
    web('dependsOn: { zzzzzz: "ready" }'),
    'newel.config.ts:4  services.web.dependsOn has "zzzzzz"; there is no such service: there are "web", "db", "migrate".',
  ],
  [
    "depends on itself",
    web('dependsOn: ["web"]'),
    'newel.config.ts:4  services.web.dependsOn has "web", which is the service itself.',
  ],
  [
    "never completes",
    web('dependsOn: { db: "completed" }'),
    'newel.config.ts:4  services.web.dependsOn waits for "db" to complete, but that is started again each time it ends: give "db" restart: "on-failure" or "never".',
  ],
  [
    "circle",
    'export default {\n  services: {\n    a: { run: "x", dependsOn: ["b"] },\n    b: { run: "x", dependsOn: ["c"] },\n    c: { run: "x", dependsOn: ["a"] },\n    d: { run: "x", dependsOn: ["a"] },\n  },\n};\n',
    "newel.config.ts:3  services.a.dependsOn makes a circle: a → b → c → a. One of them must start first.",
  ],
  [
    "program not there",
    clock('node: "srever.ts"'),
    'newel.config.ts:3  services.clock.node is "srever.ts", which does not exist: "<DIR>/srever.ts". Did you mean "server.ts"?',
  ],
  [
    "directory not there",
    web('cwd: "./nowhere"'),
    'newel.config.ts:4  services.web.cwd is "./nowhere", which is no directory: "<DIR>/nowhere".',
  ],
  [
    "service with a dot",
    'export default {\n  services: {\n    "web.1": { run: "x" },\n  },\n};\n',
    'newel.config.ts:3  services["web.1"] is not a usable name: use letters, digits, "-" and "_", a letter first, at most 100. Did you mean "web-1"?',
  ],
  [
    "app with a space",
    'export default {\n  name: "my shop",\n  services: {},\n};\n',
    'newel.config.ts:2  name is "my shop"; use letters, digits, ".", "-" and "_", a letter or digit first. Did you mean "my-shop"?',
  ],
  [
    "socket without address",
    sockets("web: {},"),
    'newel.config.ts:3  sockets.web has neither "port" nor "path": write one of them.',
  ],
  [
    "socket with two addresses",
    sockets('web: { port: 3000, path: "x.sock" },'),
    'newel.config.ts:3  sockets.web has both "port" and "path": write one of them.',
  ],
  [
    "socket host",
    sockets('web: { port: 3000, host: "localhst" },'),
    'newel.config.ts:3  sockets.web.host is "localhst"; must be an IP address: "127.0.0.1".',
  ],
  [
    "socket port in quotes",
    sockets('web: { port: "3000" },'),
    'newel.config.ts:3  sockets.web.port is "3000"; write the number without quotes: 3000.',
  ],
  [
    "sockets that collide",
    sockets('a: { port: 3000 },\n    b: { port: 3000, host: "127.0.0.1" },'),
    'newel.config.ts:4  sockets.b is "127.0.0.1:3000", which cannot be bound together with ":3000" of sockets.a: use one socket, or another port.',
  ],
  [
    "long socket path",
    sockets(`web: { path: "/${"x".repeat(120)}" },`),
    "newel.config.ts:3  sockets.web.path is 121 bytes long once absolute; Unix allows 107.",
  ],
  [
    "environment as a list",
    web('env: ["TOKEN=hunter2hunter2"]'),
    'newel.config.ts:4  services.web.env is a list; must be an object: { NAME: "value" }.',
  ],
  [
    "environment boolean",
    web("env: { DEBUG: true }"),
    'newel.config.ts:4  services.web.env.DEBUG is a boolean; must be a text in quotes (or a number): NAME: "value". Did you mean "true"?',
  ],
  [
    "environment object",
    web('env: { TOKEN: { secret: "hunter2hunter2" } }'),
    'newel.config.ts:4  services.web.env.TOKEN is an object; must be a text in quotes (or a number): NAME: "value".',
  ],
  [
    "environment name",
    web('env: { "MY TOKEN": "hunter2hunter2" }'),
    'newel.config.ts:4  services.web.env has "MY TOKEN", which cannot be the name of a variable: use letters, digits and "_".',
  ],
  [
    "environment name with value",
    web('env: { "TOKEN=hunter2hunter2": "" }'),
    'newel.config.ts:4  services.web.env has "TOKEN", which cannot be the name of a variable: use letters, digits and "_".',
  ],
  [
    "newel's own variable",
    web('env: { LISTEN_FDS: "1" }'),
    "newel.config.ts:4  services.web.env.LISTEN_FDS is set by newel itself: leave it out.",
  ],
  [
    "env file missing",
    web('envFile: ".env.production"'),
    'newel.config.ts:4  services.web.envFile is ".env.production", which does not exist; write ".env.production?" if it may be missing.',
  ],
  [
    "env files, one missing",
    web('envFile: ["server.ts", ".env.x"]'),
    'newel.config.ts:4  services.web.envFile[1] is ".env.x", which does not exist; write ".env.x?" if it may be missing.',
  ],
  [
    "env file is a directory",
    web('envFile: "."'),
    'newel.config.ts:4  services.web.envFile is ".", which cannot be read: EISDIR.',
  ],
].map(toCase);
