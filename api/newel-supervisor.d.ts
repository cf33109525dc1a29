// The public types of newel/supervisor. `npm run api` writes this file.

export interface Hello {
    readonly pid: number;
    readonly version: string;
    readonly home: string;
    readonly apps: readonly string[];
    readonly failedUps?: readonly FailedUp[];
}

export interface LastExit {
    readonly process: string;
    readonly pid: number;
    readonly atMs: number;
    readonly exitCode: number | null;
    readonly asked: boolean;
    readonly kernelName?: string;
    readonly why?: string;
    readonly reason?: ExitReason;
}

export interface MetricFamily {
    readonly name: string;
    readonly type: "counter" | "gauge" | "histogram" | "info";
    readonly unit?: "seconds" | "bytes" | "ratio";
    readonly help: string;
    readonly samples: readonly MetricSample[];
}

export interface MetricHistogram {
    readonly buckets: readonly {
        readonly upTo: number;
        readonly count: number;
    }[];
    readonly count: number;
    readonly sum: number;
}

export interface MetricSample {
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
    readonly histogram?: MetricHistogram;
}

export interface PlannedChange {
    readonly service: string;
    readonly change: "start" | "reload" | "scale" | "update" | "stop" | "none";
    readonly reasons: readonly string[];
    readonly steps: readonly string[];
}

export interface ProcessView {
    readonly name: string;
    readonly kernelName: string;
    readonly pid?: number;
    readonly pids?: readonly number[];
    readonly state: ServiceState | "left";
    readonly ready: boolean;
    readonly startedMs?: number;
    readonly memoryBytes?: number;
    readonly cpuPercent?: number;
    readonly nextTryMs?: number;
}

export type Progress = {
    readonly type: "note";
    readonly text: string;
} | {
    readonly type: "step";
    readonly service: string;
    readonly process?: string;
    readonly text: string;
} | {
    readonly type: "killed";
    readonly service: string;
    readonly process: string;
    readonly killed: readonly {
        readonly pid: number;
        readonly command: string;
    }[];
} | {
    readonly type: "failed";
    readonly service: string;
    readonly process?: string;
    readonly code: string;
    readonly message: string;
    readonly fix: string;
    readonly lines: readonly string[];
} | {
    readonly type: "end";
    readonly ok: boolean;
    readonly changed: boolean;
};

export interface ScaleRequest {
    readonly service: string;
    readonly replicas: number;
    readonly relative: boolean;
}

export interface ServiceDetail extends ServiceView {
    readonly file: string;
    readonly command: string;
    readonly cwd: string;
    readonly envKeys: readonly string[];
    readonly restartPolicy: string;
    readonly readiness: string;
    readonly stop: string;
    readonly dependsOn: Readonly<Record<string, string>>;
    readonly lastExits: readonly LastExit[];
    readonly lastLines: readonly string[];
}

export type ServiceState = "stopped" | "starting" | "running" | "stopping" | "backoff" | "failed"
 | "completed";

export interface ServiceView {
    readonly app: string;
    readonly name: string;
    readonly wanted: "up" | "down";
    readonly state: ServiceState;
    readonly ready: number;
    readonly replicas: number;
    readonly sinceMs: number;
    readonly restarts: number;
    readonly lastRestartMs?: number;
    readonly listen: readonly string[];
    readonly processes: readonly ProcessView[];
    readonly tags?: readonly string[];
    readonly scheduled?: ScheduledView;
    readonly why?: string;
}

export interface SupervisorApi {
    hello(): Promise<Hello>;
    apps(): Promise<readonly AppView[]>;
    pending(config: ResolvedConfig): Promise<readonly string[]>;
    plan(config: ResolvedConfig, options?: {
        readonly move?: boolean;
    }): Promise<UpPlan>;
    up(config: ResolvedConfig, options: UpOptions): AsyncIterable<Progress>;
    down(app: string | undefined, options?: {
        readonly now?: boolean;
    }): AsyncIterable<Progress>;
    start(target: Target): AsyncIterable<Progress>;
    stop(target: Target, options?: {
        readonly now?: boolean;
    }): AsyncIterable<Progress>;
    restart(target: Target): AsyncIterable<Progress>;
    reload(target: Target): AsyncIterable<Progress>;
    scale(requests: readonly ScaleRequest[], app: string | undefined): AsyncIterable<Progress>;
    list(target: Target): Promise<readonly ServiceView[]>;
    show(target: Target): Promise<readonly ServiceDetail[]>;
    signal(target: Target, signal: string, group: boolean): Promise<readonly {
        readonly pid: number;
        readonly command: string;
    }[]>;
    events(): AsyncIterable<SupervisorEvent>;
    metrics(options?: {
        readonly apps?: readonly string[];
    }): Promise<readonly MetricFamily[]>;
    quit(): Promise<boolean>;
    upgrade(build: SupervisorBuild): Promise<void>;
}

export interface SupervisorConnection {
    readonly remote: Remote<SupervisorApi>;
    readonly closed: Promise<unknown>;
    close(): Promise<void>;
}

export interface SupervisorEvent {
    readonly seq: number;
    readonly timeMs: number;
    readonly app: string;
    readonly service: string;
    readonly process?: string;
    readonly state: ServiceState;
    readonly ready: boolean;
    readonly why?: string;
    readonly note?: string;
}

export interface SupervisorOptions {
    readonly home?: Home;
    readonly autostart?: boolean;
    readonly timeoutMs?: number;
    readonly greetingMs?: number;
}

export interface Target {
    readonly app?: string;
    readonly names: readonly string[];
}

export function connectSupervisor(options?: SupervisorOptions): Promise<SupervisorConnection>;

export function loadConfig(options: LoadOptions): Promise<ResolvedConfig>;

// Not exported, but used by the types above.

type AnsweringMethod<Method> = Method extends (...args: infer Args) => infer Result ? Result extends AsyncIterable<infer Item> | Generator<infer Item> ? (...args: Args) => AsyncIterableIterator<Item> : (...args: Args) => Promise<Received<Awaited<Result>>> : never;

type AnyMethod = (...args: never[]) => unknown;

interface AppView {
    readonly name: string;
    readonly file: string;
    readonly profiles?: readonly string[];
}

type CallNames<Api> = {
    [Name in keyof Api]: Api[Name] extends AnyMethod ? IsStreaming<Api[Name]> extends true ? never : Name : never;
}[keyof Api] & string;

interface CallOptions {
    readonly signal?: AbortSignal;
    readonly timeoutMs?: number;
}

type CheckCommand = string | readonly string[];

type DependencyCondition = "started" | "ready" | "completed";

type ExitReason = "command" | "late" | "excess" | "liveness" | "memory";

interface FailedUp {
    readonly app: string;
    readonly timeMs: number;
    readonly why: string;
    readonly waited?: boolean;
    readonly file?: string;
    readonly failures?: readonly Extract<Progress, {
        type: "failed";
    }>[];
}

interface Home {
    readonly directory: string;
    readonly kernelSocket: string;
    readonly kernelLog: string;
    readonly kernelLock: string;
    readonly journal: string;
    readonly spoolDirectory: string;
    readonly fifoDirectory: string;
    readonly archiveDirectory: string;
    readonly supervisorSocket: string;
    readonly supervisorHolder: string;
    readonly supervisorLog: string;
    readonly supervisorLock: string;
    readonly controlDirectory: string;
    readonly runtimeDirectory: string;
}

type IsStreaming<Method extends AnyMethod> = [ReturnType<Method>] extends [never] ? false : [ReturnType<Method>] extends [Streaming] ? true : false;

interface LoadOptions {
    readonly file?: string;
    readonly cwd: string;
    readonly environment: NodeJS.ProcessEnv;
    readonly profiles?: readonly string[] | undefined;
    readonly limitMs?: number;
    readonly onForeign?: (sentence: string) => void;
}

interface Move {
    readonly from: string;
    readonly to: string;
}

const OCCASIONS: readonly ["failed", "restarted", "backoff", "diskFull"];

type Occasion = (typeof OCCASIONS)[number];

interface PortRange {
    readonly first: number;
    readonly last: number;
}

type Received<Value> = Value extends AnyMethod ? ReceivedFunction<Value> : Value;

type ReceivedFunction<Function_> = Function_ extends (...args: infer Args) => infer Result ? ((...args: Args) => Promise<Received<Awaited<Result>>>) & Disposable : never;

type Remote<Api> = RemoteMap<Api, CallNames<Api> | StreamNames<Api>> & {
    with(options: CallOptions): Remote<Api>;
};

type RemoteMap<Api, Names extends keyof Api> = {
    readonly [Name in Names]: RemoteMethod<Api[Name]>;
};

type RemoteMethod<Method> = Method extends (...args: infer Args) => never ? (...args: Args) => Promise<never> : Method extends (...args: never[]) => Promise<infer Result> ? [Extract<Result, AnyMethod>] extends [never] ? Method : AnsweringMethod<Method> : AnsweringMethod<Method>;

type ResolvedAddress = {
    readonly host: string;
    readonly port: number;
} | {
    readonly path: string;
};

interface ResolvedAlert {
    readonly run?: readonly string[];
    readonly url?: string;
    readonly everyMs: number;
}

type ResolvedAlerts = Readonly<Partial<Record<Occasion, ResolvedAlert>>>;

interface ResolvedAlive {
    readonly probe: Extract<ResolvedProbe, {
        readonly kind: "http" | "tcp" | "command";
    }>;
    readonly intervalMs: number;
    readonly timeoutMs: number;
    readonly threshold: number;
}

type ResolvedCommand = {
    readonly kind: "node";
    readonly nodePath: string;
    readonly nodeName?: string;
    readonly nodeArgs: readonly string[];
    readonly file: string;
    readonly args: readonly string[];
} | {
    readonly kind: "exec";
    readonly args: readonly string[];
    readonly program?: string;
} | {
    readonly kind: "shell";
    readonly line: string;
};

interface ResolvedConfig {
    readonly name: string;
    readonly nameFrom: "configuration" | "directory";
    readonly file: string;
    readonly profiles?: readonly string[];
    readonly sockets: readonly ResolvedSocket[];
    readonly services: readonly ResolvedService[];
    readonly metrics?: ResolvedMetrics;
    readonly on?: ResolvedAlerts;
}

interface ResolvedHooks {
    readonly beforeStart?: CheckCommand;
    readonly afterReady?: CheckCommand;
    readonly beforeStop?: CheckCommand;
    readonly timeoutMs: number;
}

interface ResolvedIdentity {
    readonly uid?: number;
    readonly gid?: number;
    readonly variables: Readonly<Record<string, string>>;
}

interface ResolvedMetrics {
    readonly prometheus?: ResolvedAddress;
    readonly otlp?: ResolvedOtlp;
    readonly statsd?: ResolvedStatsd;
}

interface ResolvedOtlp {
    readonly url: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly everyMs: number;
}

type ResolvedProbe = {
    readonly kind: "alive";
} | {
    readonly kind: "listen";
} | {
    readonly kind: "notify";
    readonly app?: true;
} | {
    readonly kind: "log";
    readonly text: string;
}
 | {
    readonly kind: "pattern";
    readonly pattern: string;
}
 | {
    readonly kind: "command";
    readonly command: CheckCommand;
} | {
    readonly kind: "tcp";
    readonly host: string;
    readonly port: number;
    readonly ranged?: true;
} | {
    readonly kind: "http";
    readonly path: string;
    readonly address?: ResolvedAddress;
    readonly own?: true;
    readonly ranged?: true;
    readonly hostHeader?: string;
};

interface ResolvedSchedule {
    readonly cron: string;
    readonly tz?: string;
    readonly missed: "run" | "skip";
}

interface ResolvedService {
    readonly name: string;
    readonly enabled: boolean;
    readonly command: ResolvedCommand;
    readonly cwd: string;
    readonly base: Readonly<Record<string, string>>;
    readonly env: Readonly<Record<string, string>>;
    readonly replicaVariables: readonly string[];
    readonly binDirectories: readonly string[];
    readonly umask?: number;
    readonly tags?: readonly string[];
    readonly identity?: ResolvedIdentity;
    readonly limits?: Readonly<Record<string, number | "unlimited">>;
    readonly nice?: number;
    readonly portRange?: PortRange;
    readonly shownCommand?: string;
    readonly instanceVar?: string;
    readonly listen: readonly ResolvedSocket[];
    readonly replicas: number;
    readonly ready: {
        readonly probe: ResolvedProbe;
        readonly afterMs: number;
        readonly timeoutMs: number;
        readonly stableMs: number;
    };
    readonly alive?: ResolvedAlive;
    readonly maxMemoryBytes?: number;
    readonly hooks?: ResolvedHooks;
    readonly schedule?: ResolvedSchedule;
    readonly stop: {
        readonly signal: string;
        readonly graceMs: number;
        readonly scope: "auto" | "main" | "group" | "tree";
        readonly lingerMs: number;
    };
    readonly reload: {
        readonly order: "start-first" | "stop-first";
    };
    readonly restart: {
        readonly policy: RestartPolicy;
        readonly max: number;
        readonly withinMs: number;
        readonly backoff: {
            readonly minMs: number;
            readonly maxMs: number;
        };
        readonly whenFailed: "refuse" | "wait";
        readonly cron?: Pick<ResolvedSchedule, "cron" | "tz">;
    };
    readonly dependsOn: Readonly<Record<string, DependencyCondition>>;
    readonly logs: {
        readonly bufsizeBytes: number;
        readonly maxAgeMs?: number;
        readonly stderr: "separate" | "stdout";
    };
    readonly watch?: ResolvedWatch | false;
    readonly hash: string;
}

interface ResolvedSocket {
    readonly name: string;
    readonly backlog: number;
    readonly host?: string;
    readonly port?: number;
    readonly path?: string;
    readonly umask?: number;
    readonly uid?: number;
    readonly gid?: number;
    readonly kernelName?: string;
}

interface ResolvedStatsd {
    readonly host: string;
    readonly port: number;
    readonly everyMs: number;
}

interface ResolvedWatch {
    readonly paths: readonly string[];
    readonly ignore: readonly string[];
    readonly debounceMs: number;
    readonly base: string;
    readonly programs: readonly string[];
}

type RestartPolicy = "always" | "on-failure" | "never";

interface ScheduledView {
    readonly does: "run" | "reload";
    readonly cron: string;
    readonly tz?: string;
    readonly nextMs: number;
}

type StreamNames<Api> = {
    [Name in keyof Api]: Api[Name] extends AnyMethod ? IsStreaming<Api[Name]> extends true ? Name : never : never;
}[keyof Api] & string;

type Streaming = AsyncIterable<unknown> | Generator;

interface SupervisorBuild {
    readonly node: string;
    readonly program: string;
}

interface UpOptions {
    readonly wait: boolean;
    readonly move?: boolean;
}

interface UpPlan {
    readonly move?: Move;
    readonly changes: readonly PlannedChange[];
}
