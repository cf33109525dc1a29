import type { ServiceDetail, ServiceView, SupervisorEvent } from "../supervisor/api.ts";

/** The messages between the dashboard's server and its page. Everything is plain data; times are milliseconds since the epoch. */

/** A service that is not as it should be, as `newel why --json` has it. */
export interface Reason {
  readonly app: string;
  readonly service: string;
  readonly ok: boolean;
  readonly state: string;
  readonly ready: number;
  readonly replicas: number;
  readonly sinceMs?: number;
  readonly cause: string;
  readonly what: string;
  readonly facts: readonly string[];
  readonly lines: readonly string[];
  readonly settings: readonly {
    readonly path: string;
    readonly value: string;
    readonly isDefault: boolean;
    readonly file: string;
    readonly line?: number;
  }[];
  /** The command line that fixes it. */
  readonly fix?: string;
  readonly advice?: string;
}

/** The answer of `newel why`. */
export interface Why {
  readonly ok: boolean;
  readonly diagnoses: readonly Reason[];
  /** Problems of newel itself or of a whole app. */
  readonly problems: readonly { readonly what: string; readonly fix?: string }[];
  readonly notes: readonly string[];
}

/** CPU in percent of one core, and memory in bytes. */
export type Point = readonly [cpuPercent: number, memoryBytes: number];

/** The figures of one replica from its preload, by `newel metrics`. */
export interface ReplicaFigures {
  readonly process: string;
  /** The 99th percentile of the delay of its event loop since the reading before, in seconds. */
  readonly loopDelaySeconds?: number;
  readonly descriptors?: number;
  readonly activeRequests?: number;
}

/** A line of output, or a gap. */
export interface PageLine {
  readonly app?: string;
  readonly service?: string;
  readonly process: string;
  readonly stream: "out" | "err";
  readonly timeMs: number;
  /** Unique among all lines: the kernel's name, the stream and the offset. */
  readonly id: string;
  readonly text: string;
  /** How many bytes of the line were left out. */
  readonly cut?: number;
  /** Lost bytes before the line, in words. */
  readonly gap?: string;
  /** The entry reports a gap only. */
  readonly isGap?: true;
}

/** A command that was carried out from the page. */
export interface Act {
  readonly id: number;
  /** The command line that does the same. */
  readonly line: string;
  readonly startedMs: number;
  readonly endedMs?: number;
  readonly exitCode?: number;
  /** The text that the command printed. */
  readonly printed: readonly string[];
}

/** Facts that do not change while the dashboard runs. */
export interface About {
  readonly version: string;
  readonly home: string;
  readonly readOnly: boolean;
  readonly startedMs: number;
}

/** The data of each kind of message from the server. */
export interface Messages {
  /** The first message of a stream; `stream` names it in requests. */
  readonly hello: { readonly stream: string; readonly about: About };
  readonly services: {
    /** Whether `changed` has all services, and the page forgets the others. */
    readonly isAll: boolean;
    readonly supervised: boolean;
    readonly changed: readonly ServiceView[];
    readonly removed: readonly string[];
    /** Whether a point of every service is added to its history. */
    readonly isTick: boolean;
    /** The histories, with `isAll` alone. */
    readonly points?: Readonly<Record<string, readonly Point[]>>;
  };
  readonly why: Why;
  readonly events: { readonly isAll: boolean; readonly events: readonly SupervisorEvent[] };
  readonly acts: readonly Act[];
  readonly service: {
    readonly key: string;
    /** Missing for a service that does not exist. */
    readonly detail?: ServiceDetail;
    readonly figures: readonly ReplicaFigures[];
  };
  readonly logs: {
    /** Of the request that these lines answer. */
    readonly request: number;
    readonly lines: readonly PageLine[];
    /** Lines that came faster than the page takes them, and were left out before these. */
    readonly skipped: number;
    readonly isFirst?: true;
  };
  /** Something that cannot be read at present. */
  readonly trouble: { readonly text: string };
}

export type MessageName = keyof Messages;

/** The things that a page looks at besides the overview. */
export interface Watched {
  readonly stream: string;
  /** `shop/web` */
  readonly service?: string;
  readonly logs?: LogsWanted;
}

export interface LogsWanted {
  /** The number that the answers repeat. */
  readonly request: number;
  /** `shop/web`, `shop/web.1`; none: every service. */
  readonly services: readonly string[];
  /** Lines that have this text, in upper or lower case. */
  readonly text: string;
}

/** The verbs that the page may carry out. */
export const VERBS = ["start", "stop", "restart", "reload", "scale"] as const;

type Verb = (typeof VERBS)[number];

/** A request of the page to carry out a command. */
export interface ActRequest {
  readonly verb: Verb;
  readonly app: string;
  readonly service: string;
  /** With `scale` alone. */
  readonly replicas?: number;
}

/** The words behind `newel` of a request; the page shows them, and the server runs them. */
export function commandOf({ verb, app, service, replicas }: ActRequest): readonly string[] {
  return verb === "scale"
    ? [verb, `${service}=${replicas ?? 1}`, "--app", app]
    : [verb, service, "--app", app];
}
