import * as v from "valibot";

import { correction } from "./hints.ts";
import { FOREIGN_VALUES } from "./words.ts";
import {
  duration,
  flag,
  integer,
  isRecord,
  oneOf,
  record,
  size,
  text,
  texts,
  umask,
} from "./leaves.ts";
import { parsePortRange } from "./port-range.ts";
import { type Finding, type Key, kindOf, valueText } from "./problems.ts";
import type { AlertsConfig } from "./alert-types.ts";
import { alertsSchema } from "./alerts.ts";
import { identitySettings } from "./identity.ts";
import { settings } from "./settings.ts";
import { parseAddress } from "./host-port.ts";
import { type CheckedDeploy, deploySchema } from "./deploy-schema.ts";
import type { ScheduleConfig } from "./policy-types.ts";
import {
  alive,
  type CheckedAlive,
  type CheckedHooks,
  type CheckedReady,
  hooks,
  logs,
  ready,
  reload,
  restartSetting,
  scheduleSetting,
  stop,
  watchSetting,
} from "./policy-schema.ts";
import type {
  Config,
  DependencyCondition,
  EnvFileConfig,
  JobsConfig,
  JobsListenConfig,
  MetricsConfig,
  OtlpConfig,
  ServiceSettings,
  StatsdConfig,
} from "./types.ts";

/** A service whose every setting has the right form; whether they fit together is for the rules. */
export interface CheckedService extends Omit<
  ServiceSettings,
  "listen" | "ready" | "alive" | "dependsOn" | "schedule" | "hooks"
> {
  readonly node?: string;
  readonly run?: string | readonly string[];
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  readonly nodePath?: string;
  readonly listen?: string | number | readonly (string | number)[];
  readonly ready?: CheckedReady;
  readonly alive?: CheckedAlive;
  readonly hooks?: CheckedHooks;
  readonly schedule?: string | Partial<ScheduleConfig>;
  readonly dependsOn?: readonly string[] | Readonly<Record<string, DependencyCondition>>;
}

export interface CheckedSocket {
  readonly port?: number;
  readonly host?: string;
  readonly path?: string;
  readonly umask?: string;
  readonly user?: string | number;
  readonly group?: string | number;
  readonly backlog?: number;
}

/** The valid part of the setting `jobs`. */
export type CheckedJobs = Omit<JobsConfig, "modules" | "dependsOn" | "listen"> &
  Pick<CheckedService, "dependsOn"> & {
    readonly modules?: string | readonly string[];
    readonly listen?: Partial<JobsListenConfig>;
  };

/** The settings other than `sockets` and `services`, which are checked one by one. */
export type CheckedTop = Pick<Config, "name" | "env" | "envFile" | "profileEnv"> & {
  readonly metrics?: Partial<MetricsConfig>;
  readonly on?: AlertsConfig;
  readonly sockets?: Readonly<Record<string, unknown>>;
  readonly services?: Readonly<Record<string, unknown>>;
  readonly jobs?: unknown;
  readonly deploy?: unknown;
};

const MOST_REPLICAS = 1000;
const LONGEST_BACKLOG = 65_535;

const may = v.exactOptional;

const replicasWord = v.picklist(["cpus"], ({ input }) => {
  const meant = FOREIGN_VALUES[String(input)] ?? "";
  const hint = meant === "cpus" ? ' Did you mean "cpus"?' : "";
  return `must be a whole number from 0 to ${MOST_REPLICAS}, or "cpus".${hint}`;
});

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
  'must be the name of a socket, a port, an address or a path: "web", 3000, "127.0.0.1:3000", "/run/app.sock".';
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

const envSettings = {
  env: may(environment),
  envFile: may(envFile),
  passEnv: may(texts('must be a list of names: ["AWS_*"].', 'must be a name: "AWS_*".')),
};

const dependsOnSetting = v.lazy((input) =>
  Array.isArray(input) ? texts(DEPENDS, "must be the name of a service.") : dependencies,
);

const NODE_ARGS = 'must be a list of texts: ["--enable-source-maps"].';
const nodeArgs = texts(NODE_ARGS, "must be a text in quotes.");

const portRange = v.custom<`${number}-${number}`>(
  (value) => typeof value === "string" && parsePortRange(value) !== undefined,
  'must be the first and the last port: "3001-3010".',
);

const profileEnv = v.pipe(
  record('must be an object by profile: { production: { NAME: "value" } }.'),
  v.record(v.string(), environment),
);

/** The names of profiles and tags: words of a command line. */
const PROFILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

const words = (want: string): v.GenericSchema<unknown, readonly string[]> =>
  v.array(
    v.custom<string>(
      (value) => typeof value === "string" && PROFILE_NAME.test(value),
      'must be a name: letters, digits, ".", "-" and "_", a letter or digit first.',
    ),
    want,
  );

const serviceSchema: v.GenericSchema<unknown, CheckedService> = settings("service", {
  node: may(text('must be the file of a Node.js program: "src/server.ts".')),
  run: may(v.lazy((input) => (Array.isArray(input) ? texts(RUN, "must be a text.") : text(RUN)))),
  args: may(texts('must be a list of texts: ["--verbose"].', "must be a text in quotes.")),
  nodeArgs: may(nodeArgs),
  nodePath: may(text('must be the path of a Node.js executable: "/opt/node-22/bin/node".')),
  listen: may(v.lazy((input) => (Array.isArray(input) ? v.array(listenOne) : listenOne))),
  replicas: may(
    v.lazy((input) =>
      typeof input === "string" && !/^\d+$/.test(input) ? replicasWord : integer(0, MOST_REPLICAS),
    ),
  ),
  ...envSettings,
  cwd: may(text('must be a directory: "./server".')),
  ready: may(ready),
  alive: may(alive),
  maxMemory: may(size),
  hooks: may(hooks),
  stop: may(stop),
  reload: may(reload),
  schedule: may(scheduleSetting),
  restart: may(restartSetting),
  dependsOn: may(dependsOnSetting),
  logs: may(logs),
  watch: may(watchSetting),
  instanceVar: may(text('must be the name of a variable: "NODE_APP_INSTANCE".')),
  portRange: may(portRange),
  umask: may(umask),
  ...identitySettings,
  profiles: may(words('must be a list of names: ["development"].')),
  profileEnv: may(profileEnv),
  tags: may(words('must be a list of names: ["backend"].')),
  enabled: may(flag),
});

const socketSchema: v.GenericSchema<unknown, CheckedSocket> = settings("socket", {
  port: may(integer(1, 65_535)),
  host: may(text('must be an IP address: "127.0.0.1".')),
  path: may(text('must be a file name: "./run/web.sock".')),
  umask: may(umask),
  user: identitySettings.user,
  group: identitySettings.group,
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

export const METRICS_ADDRESS =
  'must be an address of loopback or the path of a Unix socket: "127.0.0.1:9464", "./run/metrics.sock".';

const OTLP_URL = 'must be the http or https URL of a collector: "http://127.0.0.1:4318".';
const otlpUrl = v.custom<string>(
  (value) => typeof value === "string" && /^https?:\/\//.test(value) && URL.canParse(value),
  OTLP_URL,
);
const otlp: v.GenericSchema<unknown, string | OtlpConfig> = v.lazy((input) =>
  isRecord(input)
    ? settings("otlp", {
        url: otlpUrl,
        headers: may(
          v.pipe(
            record('must be an object: { authorization: "Bearer …" }.'),
            v.record(v.string(), text('must be a text in quotes: authorization: "Bearer …".')),
          ),
        ),
        every: may(duration(1_000)),
      })
    : otlpUrl,
);

const statsdAddress = v.custom<string>(
  (value) => typeof value === "string" && parseAddress(value) !== undefined,
  'must be HOST:PORT: "127.0.0.1:8125".',
);
const statsd: v.GenericSchema<unknown, string | StatsdConfig> = v.lazy((input) =>
  isRecord(input)
    ? settings("statsd", { address: statsdAddress, every: may(duration(1_000)) })
    : statsdAddress,
);

const topSchema: v.GenericSchema<unknown, CheckedTop> = settings("top", {
  name: may(text('must be a name: "shop".')),
  env: may(environment),
  profileEnv: may(profileEnv),
  envFile: may(envFile),
  include: may(v.unknown()),
  sockets: may(record("must be an object: { web: { port: 3000 } }.")),
  services: may(record('must be an object: { web: { node: "src/server.ts" } }.')),
  jobs: may(v.unknown()),
  on: may(alertsSchema),
  metrics: may(
    settings("metrics", {
      prometheus: may(text(METRICS_ADDRESS)),
      otlp: may(otlp),
      statsd: may(statsd),
    }),
  ),
  deploy: may(v.unknown()),
});

/** The valid part of a value, and the problems of the rest. */
export interface Checked<Value> {
  /** The value without its invalid settings; missing when no part of it can be used. */
  readonly value?: Value;
  readonly findings: readonly Finding[];
}

export const checkTop = (value: unknown): Checked<CheckedTop> => check(topSchema, value, []);

export const checkSocket = (name: string, value: unknown): Checked<CheckedSocket> =>
  check(socketSchema, value, ["sockets", name]);

export const checkJobs = (value: unknown): Checked<CheckedJobs> =>
  check(jobsSchema, value, ["jobs"]);

export const checkDeploy = (value: unknown): Checked<CheckedDeploy> =>
  check(deploySchema, value, ["deploy"]);

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
  // A value in an environment is never shown.
  const shown =
    keys.includes("env") || keys.includes("profileEnv")
      ? kindOf(issue.input)
      : valueText(issue.input);
  const hint = /Did you mean|write /i.test(issue.message) ? "" : correction(keys, issue.input);
  return { keys, says: `is ${shown}; ${issue.message}${hint}` };
}
