// The public types of newel/kernel. `npm run api` writes this file.

export interface ClaimInfo {
    readonly name: string;
    readonly holder: {
        readonly pid: number;
        readonly sinceMs: number;
    };
    readonly epoch: number;
    readonly waiting: number;
}

export interface ConnectOptions {
    readonly home?: Home | string;
    readonly path?: string;
    readonly port?: number;
    readonly autostart?: boolean;
    readonly timeoutMs?: number;
    readonly keepAlive?: boolean;
}

export interface HeldClaim {
    readonly epoch: number;
    readonly signal: AbortSignal;
    release(): Promise<void>;
}

export interface Home {
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

export interface KernelClient extends AsyncDisposable {
    readonly sockets: {
        make(request: SocketRequest): Promise<SocketInfo>;
        bind(request: BindRequest): Promise<SocketInfo>;
        list(...patterns: string[]): Promise<readonly SocketInfo[]>;
        remove(...patterns: string[]): Promise<void>;
        refuse(...patterns: string[]): Promise<readonly SocketInfo[]>;
        serve(...patterns: string[]): Promise<readonly SocketInfo[]>;
        retire(...patterns: string[]): Promise<readonly RetiredSocket[]>;
        hold(path: string, options: {
            readonly signal: AbortSignal;
            readonly sent: () => void;
        }): Promise<void>;
    };
    readonly values: {
        set(name: string, value: string | undefined, fence?: {
            readonly claim: string;
            readonly epoch: number;
        }): Promise<void>;
        get(name: string): Promise<string | undefined>;
        list(...patterns: string[]): Promise<readonly ValueInfo[]>;
        remove(...patterns: string[]): Promise<void>;
        watch(pattern: string, options?: {
            readonly signal?: AbortSignal;
        }): AsyncIterable<ValueChange>;
    };
    readonly processes: {
        make(request: ProcessRequest): Promise<ProcessInfo>;
        list(...patterns: string[]): Promise<readonly ProcessInfo[]>;
        remove(...patterns: string[]): Promise<void>;
        archived(...patterns: string[]): Promise<readonly ProcessInfo[]>;
        prune(...patterns: string[]): Promise<{
            readonly bytes: number;
        }>;
        signal(name: string, signal: string | number, scope?: SignalScope): Promise<SignalReport>;
        signalExactly(name: string, signal: string | number, only: readonly ProcessId[]): Promise<SignalReport>;
        trees(patterns: readonly string[], options?: {
            readonly detail?: boolean;
        }): Promise<readonly ProcessTree[]>;
        watch(name: string, options?: WatchOptions): AsyncIterable<OutputChunk | OutputEnd>;
        tail(name: string, count: number): Promise<string[]>;
    };
    readonly claims: {
        list(...patterns: string[]): Promise<readonly ClaimInfo[]>;
        release(name: string): Promise<void>;
    };
    claim(name: string, options?: {
        readonly signal?: AbortSignal;
    }): Promise<HeldClaim>;
    events(options?: {
        readonly since?: number;
        readonly signal?: AbortSignal;
    }): AsyncIterable<KernelEvent>;
    status(): Promise<KernelStatus>;
    upgrade(build?: {
        readonly node?: string;
        readonly program?: string;
    }): Promise<KernelStatus>;
    exitIfIdle(): Promise<boolean>;
    close(): Promise<void>;
}

export interface KernelEvent {
    readonly seq: number;
    readonly timeMs: number;
    readonly type: KernelEventType;
    readonly noun: "process" | "socket" | "value" | "claim";
    readonly name: string;
    readonly pid?: number;
    readonly exitCode?: number | null;
    readonly status?: string;
    readonly listen?: string;
}

export type KernelEventType = "made" | "bound" | "listen" | "ended" | "closed" | "ready" | "status" | "removed" | "claimed" | "released" | "refusing" | "serving";

export interface KernelStatus {
    readonly version: string;
    readonly pid: number;
    readonly uptimeMs: number;
    readonly home: string;
    readonly counts: {
        readonly sockets: number;
        readonly values: number;
        readonly processes: number;
        readonly claims: number;
    };
    readonly memoryBytes: number;
    readonly recovery: RecoveryStatus;
    readonly notices: readonly string[];
    readonly lastEvent: number;
}

export interface OutputChunk {
    readonly stream: StreamName;
    readonly offset: number;
    readonly gap: number;
    readonly reason?: GapReason;
    readonly timeMs: number;
    readonly data: Buffer;
}

export interface OutputEnd {
    readonly ended: true;
    readonly exitCode: number | null;
}

export interface OutputPosition {
    readonly out: number;
    readonly err: number;
}

export interface ProcessInfo {
    readonly name: string;
    readonly pid: number;
    readonly running: boolean;
    readonly startedMs: number;
    readonly endedMs?: number;
    readonly exitCode?: number | null;
    readonly closed: boolean;
    readonly incomplete?: boolean;
    readonly uid?: number;
    readonly gid?: number;
    readonly shell?: boolean;
    readonly args: readonly string[];
    readonly workingDir: string;
    readonly ready: boolean;
    readonly status?: string;
    readonly output: Readonly<Partial<Record<StreamName, StreamRange>>>;
    readonly fifos: readonly string[];
    readonly group?: string;
    readonly archived?: true;
}

export interface ProcessRequest {
    readonly name: string;
    readonly args: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly workingDir?: string;
    readonly uid?: number | string;
    readonly gid?: number | string;
    readonly rlimits?: Readonly<Record<string, number | "unlimited">>;
    readonly nice?: number;
    readonly umask?: number;
    readonly bufsize?: number;
    readonly group?: string;
    readonly maxAgeMs?: number;
    readonly stdout?: boolean;
    readonly stderr?: StreamMode;
    readonly shell?: boolean;
    readonly sockets?: readonly string[];
    readonly listenPid?: boolean;
    readonly notify?: boolean;
}

export interface RecoveryStatus {
    readonly after: "nothing" | "upgrade" | "end" | "reboot";
    readonly sockets: Readonly<Record<string, SocketReturn>>;
    readonly level: "held" | "taken" | "bound";
}

export interface SignalReport {
    readonly signalled: readonly {
        readonly pid: number;
        readonly command: string;
    }[];
}

export type SignalScope = "process" | "group" | "tree";

export type SocketFamily = "inet" | "inet6" | "unix";

export interface SocketInfo {
    readonly name: string;
    readonly family: SocketFamily;
    readonly type: SocketType;
    readonly backlog: number;
    readonly path?: string;
    readonly umask?: number;
    readonly uid?: number;
    readonly gid?: number;
    readonly host?: string;
    readonly port?: number;
    readonly interface?: string;
    readonly reuseport?: boolean;
    readonly later?: true;
    readonly ipv6Only?: true;
    readonly fileno?: number;
    readonly refusing?: true;
}

export interface SocketRequest {
    readonly name: string;
    readonly family?: SocketFamily;
    readonly type?: SocketType;
    readonly backlog?: number;
    readonly host?: string;
    readonly port?: number;
    readonly interface?: string;
    readonly reuseport?: boolean;
    readonly path?: string;
    readonly umask?: number;
    readonly uid?: number;
    readonly gid?: number;
    readonly later?: boolean;
    readonly overlap?: boolean;
}

export type SocketReturn = "passed" | "taken" | "bound" | "waiting" | "lost";

export type SocketType = "stream" | "dgram" | "seqpacket" | "raw" | "rdm";

export type StoredSockets = Readonly<Record<string, number>>;

export type StreamMode = boolean | "stdout";

export type StreamName = "out" | "err";

export interface StreamRange {
    readonly start: number;
    readonly end: number;
}

export interface ValueChange {
    readonly name: string;
    readonly value: string | undefined;
}

export interface ValueInfo {
    readonly name: string;
    readonly value: string;
}

export interface WatchOptions {
    readonly from?: Partial<OutputPosition>;
    readonly follow?: boolean;
    readonly signal?: AbortSignal;
}

function connectKernel(options?: ConnectOptions, internal?: InternalOptions): Promise<KernelClient>;
export { connectKernel as connect };

export function findHome(environment?: NodeJS.ProcessEnv): Home;

export function homeAt(path: string): Home;

export function setDefault(options: ConnectOptions): void;

// Not exported, but used by the types above.

interface BindRequest {
    readonly name: string;
    readonly host: string;
    readonly ipv6Only?: boolean;
}

type GapReason = "bufsize" | "age" | "pruned" | "disk" | "removed";

interface InternalOptions {
    readonly stored?: () => StoredSockets;
}

interface ProcessDetail {
    readonly program: string;
    readonly args: readonly string[];
    readonly caught: string;
    readonly ignored: string;
    readonly blocked: string;
    readonly stdin: string;
    readonly stdout: string;
    readonly stderr: string;
    readonly asked?: {
        readonly signal: number;
        readonly agoMs: number;
    };
}

type ProcessId = Pick<TreeProcess, "pid" | "startTicks">;

interface ProcessTree {
    readonly name: string;
    readonly pid: number;
    readonly running: boolean;
    readonly exitCode?: number | null;
    readonly processes: readonly TreeProcess[];
}

interface RetiredSocket extends SocketInfo {
    readonly waiting: number;
}

interface TreeProcess {
    readonly pid: number;
    readonly startTicks: number;
    readonly parent: number;
    readonly command: string;
    readonly group: number;
    readonly stopped?: true;
    readonly cpuTicks: number;
    readonly memoryBytes: number;
    readonly detail?: ProcessDetail;
}
