import * as v from "valibot";

import {
  duration,
  flag,
  integer,
  isRecord,
  oneOf,
  record,
  signal,
  size,
  text,
  texts,
  umask,
} from "./leaves.ts";
import { type Finding, type Key, kindOf, valueText } from "./problems.ts";
import type {
  Config,
  DependencyCondition,
  EnvFileConfig,
  JobsConfig,
  JobsListenConfig,
  ReadyTiming,
  RestartConfig,
  ServiceSettings,
} from "./types.ts";
import { type Level, unknownKey } from "./words.ts";

/** A service whose every setting has the right form; whether they fit together is for the rules. */
export interface CheckedService extends Omit<ServiceSettings, "listen" | "ready" | "dependsOn"> {
  readonly node?: string;
  readonly run?: string | readonly string[];
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  readonly nodePath?: string;
  readonly listen?: string | number | readonly (string | number)[];
  readonly ready?: CheckedReady;
  readonly dependsOn?: readonly string[] | Readonly<Record<string, DependencyCondition>>;
}

export interface CheckedReady extends ReadyTiming {
  readonly http?: string;
  readonly tcp?: string;
  readonly log?: string;
  readonly notify?: boolean;
}

export interface CheckedSocket {
  readonly port?: number;
  readonly host?: string;
  readonly path?: string;
  readonly umask?: string;
  readonly backlog?: number;
}

/** `jobs`, as far as it has the right form. */
export type CheckedJobs = Omit<JobsConfig, "modules" | "dependsOn" | "listen"> &
  Pick<CheckedService, "dependsOn"> & {
    readonly modules?: string | readonly string[];
    readonly listen?: Partial<JobsListenConfig>;
  };

/** The settings beside `sockets` and `services`, which are checked one by one. */
export type CheckedTop = Pick<Config, "name" | "env" | "envFile"> & {
  readonly sockets?: Readonly<Record<string, unknown>>;
  readonly services?: Readonly<Record<string, unknown>>;
  readonly jobs?: unknown;
};

const MOST_REPLICAS = 1000;
const LONGEST_BACKLOG = 65_535;

/** An object with these settings and no other; every unknown key is reported, not the first alone. */
function settings<const Entries extends v.ObjectEntries>(
  level: Level,
  entries: Entries,
): v.GenericSchema<unknown, v.InferOutput<v.LooseObjectSchema<Entries, undefined>>> {
  const names = Object.keys(entries);
  const sample = names.slice(0, 3).join(", ");
  return v.pipe(
    record(`must be an object: { ${sample}${names.length > 3 ? ", …" : ""} }.`),
    v.looseObject(entries),
    v.rawCheck(({ dataset: { value }, addIssue }) => {
      // Also a value with wrong settings comes here: its unknown keys are told in the same run.
      if (typeof value !== "object" || value === null) return;
      const input: Record<string, unknown> = { ...value };
      for (const key of Object.keys(input)) {
        if (Object.hasOwn(entries, key)) continue;
        const path = { type: "object", origin: "value", input, key, value: input[key] } as const;
        addIssue({ message: unknownKey(key, level, names), path: [path] });
      }
    }),
  );
}

const may = v.exactOptional;

const environment = v.pipe(
  record('must be an object: { NAME: "value" }.'),
  v.record(
    v.string(),
    v.union(
      [v.string(), v.pipe(v.number(), v.finite())],
      'must be a text in quotes (or a number): NAME: "value".',
    ),
  ),
);

const FILES = 'must be a file name or a list of them: ".env" or [".env", ".env.local?"].';

const envFile: v.GenericSchema<unknown, EnvFileConfig> = v.lazy((input) =>
  Array.isArray(input) ? texts(FILES, 'must be a file name: ".env".') : text(FILES),
);

const LISTEN =
  'must be the name of a socket, a port, or an address: "web", 3000, "127.0.0.1:3000".';
const listenOne = v.custom<string | number>(
  (value) => (typeof value === "string" && value !== "") || typeof value === "number",
  LISTEN,
);

const RUN =
  'must be a command: "redis-server --port 6380", or without a shell ["redis-server", "--port", "6380"].';

const DEPENDS = 'must be a list or an object: ["db"] or { db: "ready" }.';

const dependencies = v.pipe(
  record(DEPENDS),
  v.record(v.string(), oneOf(["started", "ready", "completed"])),
);

const policy = oneOf(["always", "on-failure", "never"]);

const restart: v.GenericSchema<unknown, RestartConfig> = settings("restart", {
  policy: may(policy),
  max: may(integer(1, 1_000_000)),
  within: may(duration(1)),
  backoff: may(settings("backoff", { min: may(duration(1)), max: may(duration(1)) })),
  whenFailed: may(oneOf(["refuse", "wait"])),
});

const ready: v.GenericSchema<unknown, CheckedReady> = settings("ready", {
  http: may(text('must be a path or a URL: "/healthz" or "http://127.0.0.1:8000/healthz".')),
  tcp: may(text('must be an address: "127.0.0.1:6380".')),
  log: may(text("must be the text to wait for in a line of output.")),
  notify: may(flag),
  after: may(duration(0)),
  timeout: may(duration(1)),
  stable: may(duration(0)),
});

const envSettings = {
  env: may(environment),
  envFile: may(envFile),
  passEnv: may(texts('must be a list of names: ["AWS_*"].', 'must be a name: "AWS_*".')),
};

const restartSetting = v.lazy((input) =>
  typeof input === "object" && input !== null && !Array.isArray(input) ? restart : policy,
);

const dependsOnSetting = v.lazy((input) =>
  Array.isArray(input) ? texts(DEPENDS, "must be the name of a service.") : dependencies,
);

const NODE_ARGS = 'must be a list of texts: ["--enable-source-maps"].';
const nodeArgs = texts(NODE_ARGS, "must be a text in quotes.");

const LONGEST_AGE_DAYS = 36_500;

const logs = settings("logs", {
  bufsize: may(size),
  maxAge: may(duration(1_000, LONGEST_AGE_DAYS)),
  stderr: may(oneOf(["separate", "stdout"])),
});

const serviceSchema: v.GenericSchema<unknown, CheckedService> = settings("service", {
  node: may(text('must be the file of a Node.js program: "src/server.ts".')),
  run: may(v.lazy((input) => (Array.isArray(input) ? texts(RUN, "must be a text.") : text(RUN)))),
  args: may(texts('must be a list of texts: ["--verbose"].', "must be a text in quotes.")),
  nodeArgs: may(nodeArgs),
  nodePath: may(text('must be the path of a Node.js executable: "/opt/node-22/bin/node".')),
  listen: may(v.lazy((input) => (Array.isArray(input) ? v.array(listenOne) : listenOne))),
  replicas: may(
    v.lazy((input) =>
      typeof input === "string" && !/^\d+$/.test(input)
        ? oneOf(["cpus"])
        : integer(0, MOST_REPLICAS),
    ),
  ),
  ...envSettings,
  cwd: may(text('must be a directory: "./server".')),
  ready: may(ready),
  stop: may(
    settings("stop", {
      signal: may(signal),
      grace: may(duration(0)),
      scope: may(oneOf(["auto", "main", "group", "tree"])),
      linger: may(duration(0)),
    }),
  ),
  reload: may(settings("reload", { order: may(oneOf(["start-first", "stop-first"])) })),
  restart: may(restartSetting),
  dependsOn: may(dependsOnSetting),
  logs: may(logs),
  instanceVar: may(text('must be the name of a variable: "NODE_APP_INSTANCE".')),
  umask: may(umask),
  enabled: may(flag),
});

const socketSchema: v.GenericSchema<unknown, CheckedSocket> = settings("socket", {
  port: may(integer(1, 65_535)),
  host: may(text('must be an IP address: "127.0.0.1".')),
  path: may(text('must be a file name: "./run/web.sock".')),
  umask: may(umask),
  backlog: may(integer(1, LONGEST_BACKLOG)),
});

const MODULES = 'must be a pattern or a list of them: "src/jobs/*.ts".';
const STORE =
  'must be where the jobs are: "sqlite:./data/jobs.db", "redis://host:6379" or "postgres://user@host/database".';

const jobsSchema: v.GenericSchema<unknown, CheckedJobs> = settings("jobs", {
  modules: may(
    v.lazy((input) => (Array.isArray(input) ? texts(MODULES, "must be a text.") : text(MODULES))),
  ),
  store: may(
    v.custom<string>(
      (value) => typeof value === "string" && /^(sqlite|rediss?|postgres(ql)?):./.test(value),
      STORE,
    ),
  ),
  processes: may(integer(1, MOST_REPLICAS)),
  grace: may(duration(0)),
  listen: may(
    settings("jobs listen", {
      host: may(v.string('must be an address of this machine, or "" for loopback alone.')),
      port: may(integer(1, 65_535)),
      authKeyFile: may(text('must be the file with the secret: "./jobs.key".')),
    }),
  ),
  nodeArgs: may(nodeArgs),
  ...envSettings,
  cwd: may(text('must be a directory: "./server".')),
  restart: may(restartSetting),
  dependsOn: may(dependsOnSetting),
  logs: may(logs),
  umask: may(umask),
  enabled: may(flag),
});

const topSchema: v.GenericSchema<unknown, CheckedTop> = settings("top", {
  name: may(text('must be a name: "shop".')),
  env: may(environment),
  envFile: may(envFile),
  sockets: may(record("must be an object: { web: { port: 3000 } }.")),
  services: may(record('must be an object: { web: { node: "src/server.ts" } }.')),
  jobs: may(v.unknown()),
});

/** What of a value has the right form, and what is wrong with the rest. */
export interface Checked<Value> {
  /** Without the wrong settings; missing when nothing of it can be used. */
  readonly value?: Value;
  readonly findings: readonly Finding[];
}

export const checkTop = (value: unknown): Checked<CheckedTop> => check(topSchema, value, []);

export const checkSocket = (name: string, value: unknown): Checked<CheckedSocket> =>
  check(socketSchema, value, ["sockets", name]);

export const checkJobs = (value: unknown): Checked<CheckedJobs> =>
  check(jobsSchema, value, ["jobs"]);

export const checkService = (name: string, value: unknown): Checked<CheckedService> =>
  check(serviceSchema, value, ["services", name]);

function check<Value>(
  schema: v.GenericSchema<unknown, Value>,
  value: unknown,
  at: readonly Key[],
): Checked<Value> {
  const result = v.safeParse(schema, value);
  if (result.success) return { value: result.output, findings: [] };
  const findings = result.issues.map((issue) => toFinding(issue, at));
  const rest = findings.reduce((left, { keys }) => without(left, keys.slice(at.length)), value);
  const again = v.safeParse(schema, rest);
  return again.success ? { value: again.output, findings } : { findings };
}

/** A copy without one setting; a list with a wrong element is left out as a whole. */
function without(value: unknown, keys: readonly Key[]): unknown {
  const [first, ...rest] = keys;
  if (!isRecord(value) || first === undefined || !Object.hasOwn(value, first)) return value;
  const inner = value[first];
  const { [first]: _, ...others } = value;
  return rest.length > 0 && isRecord(inner) ? { ...others, [first]: without(inner, rest) } : others;
}

function toFinding(issue: v.BaseIssue<unknown>, at: readonly Key[]): Finding {
  const inner = (issue.path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
  const keys = [...at, ...inner];
  if (issue.type === "raw_check") return { keys, says: issue.message };
  // What stands in an environment is not shown, whatever it is.
  const shown = keys.includes("env") ? kindOf(issue.input) : valueText(issue.input);
  return { keys, says: `is ${shown}; ${issue.message}` };
}
