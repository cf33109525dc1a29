// The public types of newel. `npm run api` writes this file.

export type AliveConfig = HttpAliveConfig | TcpAliveConfig | CommandAliveConfig;

export interface AliveTiming {
    readonly interval?: Duration;
    readonly timeout?: Duration;
    readonly threshold?: number;
}

export interface CommandAliveConfig extends AliveTiming {
    readonly command: string | readonly [string, ...string[]];
    readonly http?: never;
    readonly tcp?: never;
}

export interface CommandReadyConfig extends ReadyTiming {
    readonly command: string | readonly [string, ...string[]];
    readonly http?: never;
    readonly tcp?: never;
    readonly log?: never;
    readonly notify?: never;
    readonly pattern?: never;
}

export interface Config<SocketName extends string = string, ServiceName extends string = string> {
    readonly name?: string;
    readonly env?: EnvironmentConfig;
    readonly profileEnv?: Readonly<Record<string, EnvironmentConfig>>;
    readonly include?: string | readonly string[];
    readonly envFile?: EnvFileConfig;
    readonly sockets?: {
        readonly [Name in SocketName]: SocketConfig;
    };
    readonly deploy?: DeployConfig;
    readonly services: {
        readonly [Name in ServiceName]: ServiceConfig<NoInfer<SocketName>, NoInfer<ServiceName> | "jobs">;
    };
    readonly jobs?: JobsConfig<NoInfer<ServiceName>>;
    readonly on?: AlertsConfig;
    readonly metrics?: MetricsConfig;
}

export type DependencyCondition = "started" | "ready" | "completed";

export type Duration = `${number}${keyof typeof DURATION_MS}`;

export type EnvFileConfig = string | readonly string[];

export type EnvironmentConfig = Readonly<Record<string, string | number | undefined>>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface HttpAliveConfig extends AliveTiming {
    readonly http: string;
    readonly tcp?: never;
    readonly command?: never;
}

export interface HttpReadyConfig extends ReadyTiming {
    readonly http: string;
    readonly tcp?: never;
    readonly log?: never;
    readonly notify?: never;
    readonly pattern?: never;
    readonly command?: never;
}

export type ListenConfig<SocketName extends string = string> = SocketName | number | `${string}:${number}` | `/${string}`;

export interface LogReadyConfig extends ReadyTiming {
    readonly log: string;
    readonly http?: never;
    readonly tcp?: never;
    readonly notify?: never;
    readonly pattern?: never;
    readonly command?: never;
}

export interface LogsConfig {
    readonly bufsize?: Size;
    readonly maxAge?: Duration;
    readonly stderr?: "separate" | "stdout";
}

export class NewelError extends Error {
    readonly name = "NewelError";
    readonly code: ErrorCode;
    readonly fix: string;
    readonly data: Readonly<Record<string, string | number>>;
    constructor(code: ErrorCode, message: string, fix: string, data: Readonly<Record<string, string | number>>, cause?: unknown);
    toJSON(): {
        code: ErrorCode;
        message: string;
        fix: string;
        data: Readonly<Record<string, string | number>>;
    };
}

export interface NodeServiceConfig<SocketName extends string = string, ServiceName extends string = string> extends ServiceSettings<SocketName, ServiceName> {
    readonly node: string;
    readonly args?: readonly string[];
    readonly nodeArgs?: readonly string[];
    readonly nodePath?: string;
    readonly run?: never;
}

export interface NotifyReadyConfig extends ReadyTiming {
    readonly notify?: boolean;
    readonly http?: never;
    readonly tcp?: never;
    readonly log?: never;
    readonly pattern?: never;
    readonly command?: never;
}

export interface PatternReadyConfig extends ReadyTiming {
    readonly pattern: string;
    readonly http?: never;
    readonly tcp?: never;
    readonly log?: never;
    readonly notify?: never;
    readonly command?: never;
}

export type ReadyConfig = HttpReadyConfig | TcpReadyConfig | LogReadyConfig | PatternReadyConfig | CommandReadyConfig | NotifyReadyConfig;

export interface ReadyTiming {
    readonly after?: Duration;
    readonly timeout?: Duration;
    readonly stable?: Duration;
}

export interface ReloadConfig {
    readonly order?: "start-first" | "stop-first";
}

export interface RestartConfig {
    readonly policy?: RestartPolicy;
    readonly max?: number;
    readonly within?: Duration;
    readonly backoff?: {
        readonly min?: Duration;
        readonly max?: Duration;
    };
    readonly whenFailed?: "refuse" | "wait";
    readonly cron?: string;
    readonly tz?: string;
}

export type RestartPolicy = "always" | "on-failure" | "never";

export interface RunServiceConfig<SocketName extends string = string, ServiceName extends string = string> extends ServiceSettings<SocketName, ServiceName> {
    readonly run: string | readonly [string, ...string[]];
    readonly node?: never;
    readonly args?: never;
    readonly nodeArgs?: never;
    readonly nodePath?: never;
}

export type ServiceConfig<SocketName extends string = string, ServiceName extends string = string> = NodeServiceConfig<SocketName, ServiceName> | RunServiceConfig<SocketName, ServiceName>;

export interface ServiceSettings<SocketName extends string = string, ServiceName extends string = string> {
    readonly listen?: ListenConfig<SocketName> | readonly ListenConfig<SocketName>[];
    readonly replicas?: number | "cpus";
    readonly env?: EnvironmentConfig;
    readonly envFile?: EnvFileConfig;
    readonly passEnv?: readonly string[];
    readonly cwd?: string;
    readonly ready?: ReadyConfig;
    readonly alive?: AliveConfig;
    readonly maxMemory?: Size;
    readonly hooks?: HooksConfig;
    readonly stop?: StopConfig;
    readonly reload?: ReloadConfig;
    readonly schedule?: string | ScheduleConfig;
    readonly restart?: RestartPolicy | RestartConfig;
    readonly dependsOn?: readonly ServiceName[] | {
        readonly [Name in ServiceName]?: DependencyCondition;
    };
    readonly logs?: LogsConfig;
    readonly watch?: boolean | WatchConfig;
    readonly instanceVar?: string;
    readonly portRange?: `${number}-${number}`;
    readonly umask?: string;
    readonly user?: string | number;
    readonly group?: string | number;
    readonly limits?: LimitsConfig;
    readonly nice?: number;
    readonly profiles?: readonly string[];
    readonly profileEnv?: Readonly<Record<string, EnvironmentConfig>>;
    readonly tags?: readonly string[];
    readonly enabled?: boolean;
}

export type Size = `${number}${keyof typeof SIZE_BYTES}`;

export type SocketConfig = TcpSocketConfig | UnixSocketConfig;

export interface StopConfig {
    readonly signal?: `SIG${string}`;
    readonly grace?: Duration;
    readonly scope?: "auto" | "main" | "group" | "tree";
    readonly linger?: Duration;
}

export interface TcpAliveConfig extends AliveTiming {
    readonly tcp: `${string}:${number}`;
    readonly http?: never;
    readonly command?: never;
}

export interface TcpReadyConfig extends ReadyTiming {
    readonly tcp: `${string}:${number}`;
    readonly http?: never;
    readonly log?: never;
    readonly notify?: never;
    readonly pattern?: never;
    readonly command?: never;
}

export interface TcpSocketConfig {
    readonly port: number;
    readonly host?: string;
    readonly backlog?: number;
    readonly path?: never;
    readonly umask?: never;
    readonly user?: never;
    readonly group?: never;
}

export interface UnixSocketConfig {
    readonly path: string;
    readonly umask?: string;
    readonly user?: string | number;
    readonly group?: string | number;
    readonly backlog?: number;
    readonly port?: never;
    readonly host?: never;
}

export function defineConfig<const SocketName extends string = never, const ServiceName extends string = never>(config: Config<SocketName, ServiceName>): Config<SocketName, ServiceName>;

export function isNewelError(value: unknown): value is NewelError;

// Not exported, but used by the types above.

type AlertConfig = string | readonly string[] | AlertTarget;

interface AlertTarget {
    readonly run?: string | readonly string[];
    readonly url?: string;
    readonly every?: Duration;
}

interface AlertsConfig {
    readonly failed?: AlertConfig;
    readonly restarted?: AlertConfig;
    readonly backoff?: AlertConfig;
    readonly diskFull?: AlertConfig;
}

const DURATION_MS: {
    readonly ms: 1;
    readonly s: 1000;
    readonly m: 60000;
    readonly h: 3600000;
    readonly d: 86400000;
};

interface DeployConfig {
    readonly install?: string;
    readonly build?: string;
    readonly test?: string;
    readonly migrate?: string;
    readonly migrateDown?: string;
    readonly timeout?: Duration;
    readonly shared?: readonly string[];
    readonly assets?: readonly string[];
    readonly keep?: number;
    readonly verify?: DeployVerifyConfig;
}

interface DeployVerifyConfig {
    readonly for?: Duration;
    readonly http?: `http://${string}`;
    readonly maxErrors?: number;
    readonly command?: string;
}

const ERROR_CODES: {
    readonly NEWEL_E_INTERNAL: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_USAGE: {
        readonly text: "{what}";
        readonly fix: "…";
    };
    readonly NEWEL_E_DURATION: {
        readonly text: "…";
        readonly fix: 'Write a number with a unit: "500ms", "10s", "2m", "1h" or "3d".';
    };
    readonly NEWEL_E_SIZE: {
        readonly text: "…";
        readonly fix: 'Write a number with a unit: "64kB", "512MB" or "1GB".';
    };
    readonly NEWEL_E_NAME: {
        readonly text: "…";
        readonly fix: 'Use 1 to 200 characters without spaces or control characters; not starting with "-" or "{".';
    };
    readonly NEWEL_E_NODE_TOO_OLD: {
        readonly text: "…";
        readonly fix: 'Install a newer Node.js, or run it through npm in a project that has the "node" package as a dependency.';
    };
    readonly NEWEL_E_PLATFORM: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SYSCALL: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DESCRIPTORS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_OPEN_FILES: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_FRAME: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_VERSION_SKEW: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_LIMIT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NO_METHOD: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_CONNECTION_LOST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEADLINE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_CANCELLED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_REMOTE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_UNREACHABLE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_CLOSED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NOT_SENDABLE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_CONTRACT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SECRET: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_OPTION: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_CLOSED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_FULL: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_NO_WORKER: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_WORKER_LOST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_WORKER_START: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_STUCK: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_UNREAD: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_BLOCKED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_PROGRAM: {
        readonly text: "…";
        readonly fix: "{advice}";
    };
    readonly NEWEL_E_POOL_MEMORY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_NO_ANSWER: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_NO_STREAM: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_NO_FUNCTION: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_NO_CONTEXT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_POOL_GUARD: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_TRANSITION: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_LISTENERS: {
        readonly text: 'Listeners of the channel "{channel}" failed ({count}): {first}';
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_TIMEOUT: {
        readonly text: 'The listener {listener} of the channel "{channel}" did not finish within {limitMs} ms.';
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_NO_RESTART: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_RESTART_REFUSED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_PIDFILE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_FILE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_PRIVILEGES: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_CHILD: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BUS_SIGNAL: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_HOME_PATH: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_HOME_ACCESS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_RUNTIME_COPY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_RUNTIME_NOEXEC: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_OLDER_CALLER: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_KERNEL_RUNNING: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_KERNEL_UNREACHABLE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_COMMAND: {
        readonly text: "{what}";
        readonly fix: "…";
    };
    readonly NEWEL_E_NOT_FOUND: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_EXISTS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BAD_REQUEST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BAD_COMMAND: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_BAD_WORKING_DIR: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NOT_ROOT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SOCKET_SERVED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SOCKET_MISSING: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_ADDRESS_IN_USE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_PATH_IN_USE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_PORT_RIGHTS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DISK_FULL: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NOT_KEPT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_OUTPUT_WRITE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_UPGRADE_REFUSED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_REFUSED_UID: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SINGLETON: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SINGLETON_CLASS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_OWNER_LACKS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_OWNER_SILENT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_OWNER_LOST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NO_OWNER: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NO_SINGLETON: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SUPERSEDED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SINGLETON_HOST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SINGLETON_FILE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SINGLETON_STATE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_CONFIG: {
        readonly text: "{problems}";
        readonly fix: "…";
    };
    readonly NEWEL_E_STARTUP: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_CONFIG_MISSING: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_PORT_RANGE: {
        readonly text: "…";
        readonly fix: 'Run fewer replicas, or add ports to portRange and run `newel up`. A reload with the order "start-first" needs one port more than there are replicas.';
    };
    readonly NEWEL_E_HOOK: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_INIT_EMPTY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_INIT_EXISTS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_CONFIG_STORED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_APP_NAME_TAKEN: {
        readonly text: "…";
        readonly fix: 'Nothing was changed. Write another name into this configuration (name: "shop"), or stop the other app with `newel down --app {name}`.';
    };
    readonly NEWEL_E_APP_UNRELATED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_APP_ELSEWHERE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NOT_UP: {
        readonly text: "{what}.";
        readonly fix: "…";
    };
    readonly NEWEL_E_NO_REPLICAS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SUPERVISOR_UNREACHABLE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SUPERVISOR_HANGS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_KERNEL_HANGS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_SUPERVISOR_RUNNING: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NO_SERVICE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_AMBIGUOUS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NOT_READY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NOT_STOPPED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_RELOAD_FAILED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPENDENCY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_ADDRESS_TAKEN: {
        readonly text: "…";
        readonly fix: "{step}";
    };
    readonly NEWEL_E_LISTEN_WIDER: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_LISTEN_UNANSWERED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_METRICS_ADDRESS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_CANNOT_START: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_APP_FILE_USED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEV_RUNNING: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_WATCH_LIMIT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_WATCH: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_SOURCE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_COMMAND: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_RUNNING: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_NOT_RUNNING: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_DISK: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_DATA: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_NAME: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_FAILED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_NO_RELEASE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_SSH: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DEPLOY_NO_APP: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_UP_FAILED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_NOT_RESTORED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DOWN_FAILED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_OPERATION_FAILED: {
        readonly text: "{what}";
        readonly fix: "…";
    };
    readonly NEWEL_E_DASH_ADDRESS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DASH_PUBLIC: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DASH_FILES: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DASH_HOST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DASH_ORIGIN: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DASH_LINK: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DASH_SIGNED_OUT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DASH_READ_ONLY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_DASH_REQUEST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_OPTION: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_DEFINED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_INPUT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_VALUE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_PAYLOAD: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_STEPS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_BY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_RETRY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_KEY: {
        readonly text: 'The run {run} cannot be requeued now: the run {other} has the same key, "{key}", and is not finished.';
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_OWN_KEY: {
        readonly text: 'The run {run} of {job} cannot enqueue another run with its own key "{key}": it holds that key until it ends. Nothing was enqueued.';
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_STORE: {
        readonly text: 'The store "{url}" cannot be used: {why}.';
        readonly fix: 'Write "sqlite:./data/jobs.db", "redis://host:6379" or "postgres://user@host/database".';
    };
    readonly NEWEL_E_JOBS_NO_STORE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_NO_QUEUE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_IN_USE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_UNREACHABLE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_BULLMQ: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_DRIVER: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_REQUEST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_FORBIDDEN: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_NO_RUN: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_CONNECTION: {
        readonly text: "…";
        readonly fix: 'Write the path of a file: "sqlite:./jobs.db".';
    };
    readonly NEWEL_E_JOBS_FILE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_FULL: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_GONE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_DAMAGED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_NEWER: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_UNSAFE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_NETWORK: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_LINKED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_REPLACED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_SQLITE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_BACKUP: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_BUSY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_UNREADABLE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_STORE_SETTINGS: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_STORE_ARGUMENT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_UNKNOWN: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_THROWN: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_CANCELLED: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_TIMEOUT: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_MEMORY: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_WORKER_LOST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_SERVER_STOPPING: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_CHILDREN: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_LEASE_LOST: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOB_DEADLOCK: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_MODULE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_NONE: {
        readonly text: "…";
        readonly fix: "…";
    };
    readonly NEWEL_E_JOBS_SETTING: {
        readonly text: 'The setting "{setting}" of the job server {why}.';
        readonly fix: "…";
    };
};

interface HooksConfig {
    readonly beforeStart?: string | readonly [string, ...string[]];
    readonly afterReady?: string | readonly [string, ...string[]];
    readonly beforeStop?: string | readonly [string, ...string[]];
    readonly timeout?: Duration;
}

interface JobsConfig<ServiceName extends string = string> extends Pick<ServiceSettings<never, ServiceName>, "env" | "envFile" | "passEnv" | "cwd" | "restart" | "dependsOn" | "logs" | "umask" | "enabled"> {
    readonly modules: string | readonly string[];
    readonly store?: string;
    readonly processes?: number;
    readonly grace?: Duration;
    readonly listen?: JobsListenConfig;
    readonly nodeArgs?: readonly string[];
}

interface JobsListenConfig {
    readonly host: string;
    readonly port: number;
    readonly authKeyFile: string;
}

interface LimitsConfig {
    readonly nofile?: number | "unlimited";
    readonly nproc?: number | "unlimited";
    readonly core?: Size | 0 | "unlimited";
    readonly as?: Size | 0 | "unlimited";
    readonly data?: Size | 0 | "unlimited";
    readonly stack?: Size | 0 | "unlimited";
    readonly fsize?: Size | 0 | "unlimited";
    readonly memlock?: Size | 0 | "unlimited";
    readonly cpu?: Duration | "unlimited";
}

interface MetricsConfig {
    readonly prometheus?: string;
    readonly otlp?: string | OtlpConfig;
    readonly statsd?: string | StatsdConfig;
}

interface OtlpConfig {
    readonly url: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly every?: Duration;
}

const SIZE_BYTES: {
    readonly B: 1;
    readonly kB: 1000;
    readonly MB: 1000000;
    readonly GB: 1000000000;
    readonly KiB: 1024;
    readonly MiB: 1048576;
    readonly GiB: 1073741824;
};

interface ScheduleConfig {
    readonly cron: string;
    readonly tz?: string;
    readonly missed?: "run" | "skip";
}

interface StatsdConfig {
    readonly address: string;
    readonly every?: Duration;
}

interface WatchConfig {
    readonly paths?: readonly string[];
    readonly ignore?: readonly string[];
    readonly debounce?: Duration;
}
