import { type BrokenCase, clock, toCase, web } from "./case.ts";

export const WORDS_OF_OTHERS: readonly BrokenCase[] = [
  [
    "pm2 instances",
    web("instances: 2"),
    'newel.config.ts:4  services.web.instances is not a setting here: pm2\'s "instances" is "replicas".',
  ],
  [
    "pm2 script",
    clock('script: "server.ts"'),
    'newel.config.ts:3  services.clock.script is not a setting here: pm2\'s "script" is "node" (a Node.js program) or "run" (any other).',
  ],
  [
    "pm2 exec_mode",
    web('exec_mode: "cluster"'),
    'newel.config.ts:4  services.web.exec_mode is not a setting here: pm2\'s "exec_mode" is not needed: all replicas share one socket.',
  ],
  [
    "pm2 max_memory_restart",
    web('max_memory_restart: "300M"'),
    'newel.config.ts:4  services.web.max_memory_restart is not a setting here: pm2\'s "max_memory_restart" is maxMemory: "512MB".',
  ],
  [
    "pm2 autorestart",
    web("autorestart: false"),
    'newel.config.ts:4  services.web.autorestart is not a setting here: pm2\'s "autorestart" is "restart": "always", "on-failure" or "never".',
  ],
  [
    "pm2 cron_restart",
    web('cron_restart: "0 0 * * *"'),
    'newel.config.ts:4  services.web.cron_restart is not a setting here: pm2\'s "cron_restart" is restart: { cron: "0 4 * * *" }.',
  ],
  [
    "pm2 wait_ready",
    web("wait_ready: true"),
    'newel.config.ts:4  services.web.wait_ready is not a setting here: pm2\'s "wait_ready" is ready: { notify: true }.',
  ],
  [
    "pm2 kill_timeout",
    web("kill_timeout: 3000"),
    'newel.config.ts:4  services.web.kill_timeout is not a setting here: pm2\'s "kill_timeout" is "grace" in stop: { grace: "10s" }.',
  ],
  [
    "pm2 ignore_watch",
    web('ignore_watch: ["*.css"]'),
    'newel.config.ts:4  services.web.ignore_watch is not a setting here: pm2\'s "ignore_watch" is "ignore" in watch: { ignore: ["*.css"] }.',
  ],
  [
    "pm2 apps",
    'export default {\n  apps: [{ script: "server.ts" }],\n};\n',
    'newel.config.ts:2  apps is not a setting here: pm2\'s "apps" is "services", an object by name.',
  ],
  [
    "pm2 max",
    web('replicas: "max"'),
    'newel.config.ts:4  services.web.replicas is "max"; must be a whole number from 0 to 1000, or "cpus". Did you mean "cpus"?',
  ],
  [
    "compose command",
    clock('command: "redis-server"'),
    'newel.config.ts:3  services.clock.command is not a setting here: compose\'s "command" is "run".',
  ],
  [
    "compose ports",
    web('ports: ["3000:3000"]'),
    'newel.config.ts:4  services.web.ports is not a setting here: compose\'s "ports" is "listen", with the port of this machine: listen: 3000.',
  ],
  [
    "compose port mapping",
    web('listen: "8080:80"'),
    'newel.config.ts:4  services.web.listen is "8080:80"; newel maps no ports as compose does: write the port the program listens on.',
  ],
  [
    "compose depends_on",
    web('depends_on: ["db"]'),
    'newel.config.ts:4  services.web.depends_on is not a setting here: compose\'s "depends_on" is "dependsOn".',
  ],
  [
    "compose healthcheck",
    web('healthcheck: { test: "curl -f localhost" }'),
    'newel.config.ts:4  services.web.healthcheck is not a setting here: compose\'s "healthcheck" is "ready": ready: { http: "/healthz" }.',
  ],
  [
    "compose environment",
    web('environment: ["TOKEN=hunter2hunter2"]'),
    'newel.config.ts:4  services.web.environment is not a setting here: compose\'s "environment" is "env", an object.',
  ],
  [
    "compose env_file",
    web('env_file: ".env"'),
    'newel.config.ts:4  services.web.env_file is not a setting here: compose\'s "env_file" is "envFile".',
  ],
  [
    "compose restart",
    web('restart: "unless-stopped"'),
    'newel.config.ts:4  services.web.restart is "unless-stopped"; use "always", "on-failure" or "never". Did you mean "always"?',
  ],
  [
    "compose condition",
    web('dependsOn: { db: "service_healthy" }'),
    'newel.config.ts:4  services.web.dependsOn.db is "service_healthy"; use "started", "ready" or "completed". Did you mean "ready"?',
  ],
  [
    "compose image",
    clock('image: "redis:8"'),
    'newel.config.ts:3  services.clock.image is not a setting here: compose\'s "image" has no counterpart here: newel runs programs ("run"), not images.',
  ],
  [
    "supervisord numprocs",
    web("numprocs: 4"),
    'newel.config.ts:4  services.web.numprocs is not a setting here: supervisord\'s "numprocs" is "replicas".',
  ],
  [
    "supervisord autostart",
    web("autostart: true"),
    'newel.config.ts:4  services.web.autostart is not a setting here: supervisord\'s "autostart" is "enabled".',
  ],
  [
    "supervisord stopsignal",
    web('stopsignal: "QUIT"'),
    'newel.config.ts:4  services.web.stopsignal is not a setting here: supervisord\'s "stopsignal" is "signal" in stop: { signal: "SIGTERM" }.',
  ],
  [
    "supervisord stopwaitsecs",
    web("stopwaitsecs: 10"),
    'newel.config.ts:4  services.web.stopwaitsecs is not a setting here: supervisord\'s "stopwaitsecs" is "grace" in stop: { grace: "10s" }.',
  ],
  [
    "supervisord redirect_stderr",
    web("redirect_stderr: true"),
    'newel.config.ts:4  services.web.redirect_stderr is not a setting here: supervisord\'s "redirect_stderr" is logs: { stderr: "stdout" }.',
  ],
  [
    "process-compose processes",
    'export default {\n  processes: { web: { node: "server.ts" } },\n};\n',
    'newel.config.ts:2  processes is not a setting here: process-compose\'s "processes" is "services".',
  ],
].map(toCase);
