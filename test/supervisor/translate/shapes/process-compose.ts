import { SERVER, type Shape, WORKER } from "./shape.ts";

export const PROCESS_COMPOSE: readonly Shape[] = [
  {
    title: "devenv: a migration, a server and its worker",
    runs: true,
    from: "process-compose.yaml",
    files: {
      "process-compose.yaml": `processes:
  migrate: { command: "echo migrated" }
  web:
    command: node server.js
    environment: ["PORT=<PORT>"]
    availability: { restart: always }
    depends_on: { migrate: { condition: process_completed_successfully } }
    liveness_probe: { exec: { command: "test -e server.js" }, period_seconds: 5, failure_threshold: 2 }
  report:
    command: "echo sold"
    schedule: { cron: "0 3 * * *", timezone: "Europe/Berlin" }
  worker:
    command: |
      echo begin
      exec node worker.js
    depends_on: { web: { condition: process_started } }
`,
      "server.js": SERVER,
      "worker.js": WORKER,
    },
    services: {
      migrate: { run: "echo migrated", restart: "never" },
      web: {
        node: "server.js",
        listen: 3000,
        env: { PORT: "3000" },
        alive: { command: "test -e server.js", interval: "5s", threshold: 2 },
      },
      report: { run: "echo sold", schedule: { cron: "0 3 * * *", tz: "Europe/Berlin" } },
      worker: { dependsOn: { web: "started" } },
    },
  },
  {
    title: "the example of process-compose: policies, probes and a chain",
    from: "process-compose.yaml",
    files: {
      "process-compose.yaml": `version: "0.5"
log_level: info
log_length: 3000
environment: ["ABC=222"]
shell: { shell_command: "bash", shell_argument: "-c" }
processes:
  process0:
    command: "ls -l"
    working_dir: "/"
  process1:
    command: "./loop.sh \${PROC4}"
    availability: { restart: "on_failure", backoff_seconds: 2, max_restarts: 3 }
    depends_on: { process0: { condition: process_completed_successfully } }
    environment: ["EXIT_CODE=0"]
    shutdown: { command: "sleep 2 && pkill -f process1", signal: 15, timeout_seconds: 4 }
  kcalc:
    command: "kcalc"
    disabled: true
    is_daemon: true
`,
    },
    services: {
      process0: { run: "ls -l", cwd: "/", restart: "never" },
      process1: {
        dependsOn: { process0: "completed" },
        restart: { policy: "on-failure", max: 3, backoff: { min: "2s", max: "2s" } },
        stop: { grace: "4s" },
      },
      kcalc: { enabled: false },
    },
    dropped: ["5 shell", "15 shutdown.command", "19 is_daemon"],
  },
  {
    title: "devbox: PostgreSQL and a server that waits for it",
    from: "process-compose.yml",
    files: {
      "process-compose.yml": `processes:
  postgresql:
    command: "pg_ctl start -o \\"-k $PGHOST\\""
    is_daemon: true
    shutdown: { command: "pg_ctl stop -m fast" }
    availability: { restart: "always" }
    readiness_probe:
      exec: { command: "pg_isready -p 5433" }
      initial_delay_seconds: 5
      period_seconds: 10
      failure_threshold: 6
  web:
    command: node server.js
    environment: { PORT: <PORT> }
    availability: { restart: always }
    readiness_probe: { http_get: { host: localhost, port: <PORT>, path: /healthz } }
    depends_on: { postgresql: { condition: process_healthy } }
`,
      "server.js": SERVER,
    },
    services: {
      postgresql: { ready: { tcp: "127.0.0.1:5433", timeout: "65s" } },
      web: {
        node: "server.js",
        listen: 3000,
        ready: { http: "/healthz" },
        dependsOn: { postgresql: "ready" },
      },
    },
    dropped: ["4 is_daemon", "5 shutdown.command"],
  },
  {
    title: "services-flake: names, replicas and a log line",
    from: "process-compose.yaml",
    files: {
      "process-compose.yaml": `is_strict: true
processes:
  redis-1:
    command: exec redis-server --port 6380
    ready_log_line: "Ready to accept connections"
    namespace: data
    availability: { restart: on_failure }
  "worker/a":
    command: node worker.js --number \${PC_REPLICA_NUM}
    replicas: 3
    depends_on: { redis-1: { condition: process_log_ready } }
    log_location: ./worker.{PC_REPLICA_NUM}.log
    availability: { restart: always }
`,
      "worker.js": WORKER,
    },
    services: {
      "redis-1": { ready: { log: "Ready to accept connections" }, restart: "on-failure" },
      "worker-a": { replicas: 3, dependsOn: { "redis-1": "ready" } },
    },
    dropped: ["6 namespace"],
  },
];
