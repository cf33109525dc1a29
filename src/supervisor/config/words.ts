import { closest } from "../../base/names.ts";
import { quoted } from "./problems.ts";

/** The places a setting can stand in. */
export type Level =
  | "top"
  | "socket"
  | "service"
  | "ready"
  | "alive"
  | "stop"
  | "reload"
  | "restart"
  | "schedule"
  | "hooks"
  | "backoff"
  | "jobs"
  | "metrics"
  | "otlp"
  | "statsd"
  | "on"
  | "alert"
  | "jobs listen"
  | "deploy"
  | "verify"
  | "logs"
  | "watch"
  | "limits";

type Words = Readonly<Record<string, string>>;

const PM2: Words = {
  apps: 'is "services", an object by name',
  script: 'is "node" (a Node.js program) or "run" (any other)',
  instances: 'is "replicas"',
  exec_mode: "is not needed: all replicas share one socket",
  exec_interpreter: 'is "nodePath" for Node.js, "run" for any other program',
  interpreter: 'is "nodePath" for Node.js, "run" for any other program',
  interpreter_args: 'is "nodeArgs"',
  node_args: 'is "nodeArgs"',
  autorestart: 'is "restart": "always", "on-failure" or "never"',
  max_restarts: 'is "max" in restart: { max: 10, within: "1m" }',
  min_uptime: 'is "within" in restart: { max: 10, within: "1m" }',
  restart_delay: 'is "backoff" in restart: { backoff: { min: "100ms", max: "15s" } }',
  exp_backoff_restart_delay: 'is "backoff" in restart: { backoff: { min: "100ms", max: "15s" } }',
  stop_exit_codes: 'is restart: "on-failure" (exit code 0 is no failure)',
  max_memory_restart: 'is maxMemory: "512MB"',
  cron_restart: 'is restart: { cron: "0 4 * * *" }',
  wait_ready: "is ready: { notify: true }",
  listen_timeout: 'is "timeout" in ready: { timeout: "30s" }',
  kill_timeout: 'is "grace" in stop: { grace: "10s" }',
  shutdown_with_message: "is not needed: the signal in stop: { signal: … } is always sent",
  treekill: "is not needed: stop always ends the whole process tree",
  ignore_watch: 'is "ignore" in watch: { ignore: ["*.css"] }',
  watch_delay: 'is "debounce" in watch: { debounce: "100ms" }',
  out_file: "is not needed: output is always kept; read it by `newel logs NAME`",
  error_file: "is not needed: output is always kept; read it by `newel logs NAME`",
  log_file: "is not needed: output is always kept; read it by `newel logs NAME`",
  log_date_format: "is not needed: `newel logs` knows the time of each line",
  merge_logs: 'is logs: { stderr: "stdout" }',
  combine_logs: 'is logs: { stderr: "stdout" }',
  env_production: "is profileEnv: { production: { … } }, for `newel up --profile production`",
  env_development: "is profileEnv: { development: { … } }, for `newel up --profile development`",
  source_map_support: 'is nodeArgs: ["--enable-source-maps"]',
  increment_var: "is not needed: $NEWEL_REPLICA is the number of a process, from 1",
  instance_var: 'is "instanceVar"',
  uid: 'is "user"',
  gid: 'is "group"',
  deploy: "has no counterpart here",
};

const COMPOSE: Words = {
  version: "is not needed",
  command: 'is "run"',
  entrypoint: 'is "run"',
  ports: 'is "listen", with the port of this machine: listen: 3000',
  expose: 'is "listen": listen: 3000',
  extends: 'is "include", a list of files',
  depends_on: 'is "dependsOn"',
  environment: 'is "env", an object',
  env_file: 'is "envFile"',
  healthcheck: 'is "ready": ready: { http: "/healthz" }',
  scale: 'is "replicas"',
  deploy: 'is "replicas" and "restart"',
  stop_signal: 'is "signal" in stop: { signal: "SIGTERM" }',
  stop_grace_period: 'is "grace" in stop: { grace: "10s" }',
  working_dir: 'is "cwd"',
  logging: 'is "logs"',
  restart_policy: 'is "restart"',
  container_name: "is not needed: the key is the name",
  image: 'has no counterpart here: newel runs programs ("run"), not images',
  build: 'has no counterpart here: newel runs programs ("run"), not images',
  volumes: "has no counterpart here: a service sees this machine's files",
  networks: "has no counterpart here: a service uses this machine's network",
  ulimits: 'is "limits": limits: { nofile: 65536 }',
};

const SUPERVISORD: Words = {
  programs: 'is "services", an object by name',
  numprocs: 'is "replicas"',
  numprocs_start: "is not needed: processes are named NAME.1, NAME.2, …",
  process_name: "is not needed: processes are named NAME.1, NAME.2, …",
  autostart: 'is "enabled"',
  directory: 'is "cwd"',
  startsecs: 'is "after" in ready: { after: "1s" }',
  startretries: 'is "max" in restart: { max: 10, within: "1m" }',
  exitcodes: 'is restart: "on-failure" (exit code 0 is no failure)',
  stopsignal: 'is "signal" in stop: { signal: "SIGTERM" }',
  stopwaitsecs: 'is "grace" in stop: { grace: "10s" }',
  stopasgroup: "is not needed: stop always ends the whole process tree",
  killasgroup: "is not needed: stop always ends the whole process tree",
  redirect_stderr: 'is logs: { stderr: "stdout" }',
  stdout_logfile: "is not needed: output is always kept; read it by `newel logs NAME`",
  stderr_logfile: "is not needed: output is always kept; read it by `newel logs NAME`",
  stdout_logfile_maxbytes: 'is "bufsize" in logs: { bufsize: "64MB" }',
  stderr_logfile_maxbytes: 'is "bufsize" in logs: { bufsize: "64MB" }',
  priority: 'is "dependsOn"',
  serverurl: "is not needed",
};

const PROCESS_COMPOSE: Words = {
  processes: 'is "services"',
  availability: 'is "restart"',
  readiness_probe: 'is "ready": ready: { http: "/healthz" }',
  liveness_probe: 'is "alive": alive: { http: "/healthz" }',
  shutdown: 'is "stop"',
  disabled: 'is "enabled", with the opposite value',
};

/** Other tools' words by tool; the first tool that has a word is named. */
const TOOLS = [
  ["pm2", PM2],
  ["compose", COMPOSE],
  ["supervisord", SUPERVISORD],
  ["process-compose", PROCESS_COMPOSE],
] as const;

/** Words that people write inside a setting, by the setting. */
const INNER: Readonly<Partial<Record<Level, Words>>> = {
  ready: {
    url: 'Write it as "http".',
    path: 'Write it as "http".',
    test: 'Write it as "command".',
    regex: 'Write it as "pattern".',
    port: 'Write it as "tcp": "127.0.0.1:PORT".',
    interval: "newel chooses how often it asks.",
    retries: 'newel asks until "timeout".',
    start_period: 'Write it as "timeout".',
    delay: 'Write it as "after".',
  },
  alive: {
    url: 'Write it as "http".',
    path: 'Write it as "http".',
    test: 'Write it as "command".',
    port: 'Write it as "tcp": "127.0.0.1:PORT".',
    retries: 'Write it as "threshold".',
    failure_threshold: 'Write it as "threshold".',
    period_seconds: 'Write it as "interval".',
    start_period: 'The checks begin once the process is ready: write it as "timeout" of "ready".',
  },
  stop: { timeout: 'Write it as "grace".', kill_timeout: 'Write it as "grace".' },
  restart: {
    condition: 'Write it as "policy".',
    delay: 'Write it as "backoff": { min, max }.',
    max_attempts: 'Write it as "max".',
    maxRestarts: 'Write it as "max".',
    maxRetries: 'Write it as "max".',
    retries: 'Write it as "max".',
    window: 'Write it as "within".',
  },
  hooks: {
    preStart: 'Write it as "beforeStart".',
    pre_start: 'Write it as "beforeStart".',
    before_start: 'Write it as "beforeStart".',
    postStart: 'Write it as "afterReady".',
    post_start: 'Write it as "afterReady".',
    after_start: 'Write it as "afterReady".',
    preStop: 'Write it as "beforeStop".',
    pre_stop: 'Write it as "beforeStop".',
    before_stop: 'Write it as "beforeStop".',
  },
  schedule: {
    timezone: 'Write it as "tz".',
    timeZone: 'Write it as "tz".',
    every: 'Write it as "cron": "*/15 * * * *" is every 15 minutes.',
    interval: 'Write it as "cron": "*/15 * * * *" is every 15 minutes.',
    overlap: "A time at which the former run is not over is left out.",
  },
  socket: {
    address: 'Write it as "host".',
    hostname: 'Write it as "host".',
    ip: 'Write it as "host".',
  },
  jobs: {
    concurrency: 'Write it as "processes", or as "concurrency" of a job.',
    workers: 'Write it as "processes".',
    url: 'Write it as "store".',
    connection: 'Write it as "store".',
    files: 'Write it as "modules".',
    replicas: 'One server is enough on a machine; it has "processes".',
    stop: 'Write it as "grace".',
    host: "Write it in listen: { host, port, authKeyFile }.",
    port: "Write it in listen: { host, port, authKeyFile }.",
  },
  "jobs listen": {
    authkey: 'A secret does not belong here: put it into a file, and name that as "authKeyFile".',
    authKey: 'A secret does not belong here: put it into a file, and name that as "authKeyFile".',
    address: 'Write it as "host" and "port".',
  },
  limits: {
    memory: 'The address space is "as", as prlimit(1) has it.',
    files: 'Write it as "nofile".',
    processes: 'Write it as "nproc".',
  },
  logs: {
    file: "Output is always kept; read it by `newel logs NAME`.",
    dir: "Output is always kept; read it by `newel logs NAME`.",
    size: 'Write it as "bufsize".',
    max_size: 'Write it as "bufsize".',
  },
};

/** Settings that stand inside another one of the same service. */
const INSIDE: Words = {
  http: "ready",
  tcp: "ready",
  log: "ready",
  notify: "ready",
  after: "ready",
  timeout: "ready",
  stable: "ready",
  signal: "stop",
  grace: "stop",
  linger: "stop",
  order: "reload",
  policy: "restart",
  max: "restart",
  within: "restart",
  backoff: "restart",
  whenFailed: "restart",
  bufsize: "logs",
  stderr: "logs",
  debounce: "watch",
  interval: "alive",
  threshold: "alive",
  pattern: "ready",
  beforeStart: "hooks",
  afterReady: "hooks",
  beforeStop: "hooks",
  cron: "schedule",
  tz: "schedule",
  missed: "schedule",
};

/** The message about a key that is no setting at its place. */
export function unknownKey(key: string, level: Level, settings: readonly string[]): string {
  const here = "is not a setting here";
  const inner = INNER[level];
  if (inner !== undefined && Object.hasOwn(inner, key)) return `${here}. ${inner[key]}`;
  if (level === "top" || level === "service") {
    const foreign = TOOLS.find(([, words]) => Object.hasOwn(words, key));
    if (foreign !== undefined) return `${here}: ${foreign[0]}'s ${quoted(key)} ${foreign[1][key]}.`;
  }
  if (level === "service" && Object.hasOwn(INSIDE, key))
    return `${here}: write ${INSIDE[key]}: { ${key}: … }.`;
  if (level === "service" && (key === "port" || key === "host"))
    return `${here}: write listen: 3000 or listen: "127.0.0.1:3000".`;
  if (level === "service" && key === "name") return `${here}: the key is the service's name.`;
  const meant = closest(key.replaceAll(/[_-]/g, ""), settings);
  if (meant !== undefined) return `${here}. Did you mean ${quoted(meant)}?`;
  const near = misspelt(key, level);
  if (near !== undefined) return unknownKey(near, level, settings);
  return `${here}; there are ${settings.map((name) => quoted(name)).join(", ")}.`;
}

/** The word of another tool that a key is a misspelling of. */
function misspelt(key: string, level: Level): string | undefined {
  const inner = Object.keys(INNER[level] ?? {});
  const others = TOOLS.flatMap(([, words]) => Object.keys(words));
  const near = closest(key, level === "top" || level === "service" ? [...inner, ...others] : inner);
  return near === key ? undefined : near;
}

/** Values of other tools for settings of ours. */
export const FOREIGN_VALUES: Readonly<Record<string, string>> = {
  "unless-stopped": "always",
  no: "never",
  none: "never",
  on_failure: "on-failure",
  "on-abnormal": "on-failure",
  unexpected: "on-failure",
  service_started: "started",
  service_healthy: "ready",
  service_completed_successfully: "completed",
  process_started: "started",
  process_healthy: "ready",
  process_completed: "completed",
  process_completed_successfully: "completed",
  healthy: "ready",
  max: "cpus",
  auto: "cpus",
};
