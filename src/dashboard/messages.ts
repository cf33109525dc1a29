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
  readonly view: {
    /** {@link keyOfView} of the request that it answers. */
    readonly key: string;
    /** The document that the command of the view prints with `--json`. */
    readonly data?: unknown;
    /** Why there is none. */
    readonly error?: string;
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
  readonly view?: ViewRequest;
}

/** The views whose data is the output of one command. */
export const VIEWS = ["deploys", "queues", "runs", "run", "sockets", "singletons"] as const;

/** The filters of runs: options of `newel jobs ls`. */
export const RUN_FILTERS = ["state", "queue", "name", "error"] as const;

export interface ViewRequest {
  readonly name: (typeof VIEWS)[number];
  /** Of `deploys`. */
  readonly app?: string;
  /** Of `run`. */
  readonly run?: string;
  /** Of `runs`. */
  readonly filter?: Readonly<Partial<Record<(typeof RUN_FILTERS)[number], string>>>;
}

export function keyOfView({ name, app = "", run = "", filter = {} }: ViewRequest): string {
  return JSON.stringify([name, app, run, ...RUN_FILTERS.map((each) => filter[each] ?? "")]);
}

/** The most runs of a view. */
const RUNS_SHOWN = 200;

/** The command, without `newel`, whose `--json` output a view displays. */
export function commandOfView(request: ViewRequest): readonly string[] {
  switch (request.name) {
    case "deploys":
      return ["releases", request.app ?? ""];
    case "queues":
      return ["jobs", "stats"];
    case "runs":
      return ["jobs", "ls", "--limit", String(RUNS_SHOWN), ...filterWords(request.filter)];
    case "run":
      return ["jobs", "show", request.run ?? ""];
    case "sockets":
      return ["sockets"];
    case "singletons":
      return ["owners"];
  }
}

function filterWords(filter: ViewRequest["filter"] = {}): string[] {
  return RUN_FILTERS.flatMap((name) => {
    const value = filter[name] ?? "";
    return value === "" ? [] : [`--${name}=${value}`];
  });
}

export interface LogsWanted {
  /** The number that the answers repeat. */
  readonly request: number;
  /** `shop/web`, `shop/web.1`; none: every service. */
  readonly services: readonly string[];
  /** Lines that have this text, in upper or lower case. */
  readonly text: string;
}

/** The verbs of a service. */
export const SERVICE_VERBS = ["start", "stop", "restart", "reload", "scale"] as const;
/** The verbs of a run and of a queue, behind `newel jobs`. */
export const RUN_VERBS = ["retry", "cancel"] as const;
export const QUEUE_VERBS = ["pause", "resume", "drain"] as const;

/** A request of the page to carry out a command. */
export type ActRequest =
  | {
      readonly verb: (typeof SERVICE_VERBS)[number];
      readonly app: string;
      readonly service: string;
      /** With `scale` alone. */
      readonly replicas?: number;
    }
  | { readonly verb: "rollback"; readonly app: string; readonly release: number }
  /** Takes a singleton from its owner. */
  | { readonly verb: "release"; readonly id: string }
  | { readonly verb: (typeof RUN_VERBS)[number]; readonly run: string }
  /** Retries every failed run that the filter finds. */
  | { readonly verb: "retry all"; readonly filter: NonNullable<ViewRequest["filter"]> }
  | { readonly verb: (typeof QUEUE_VERBS)[number]; readonly queue: string };

/** The words behind `newel` of a request; the page shows them, and the server runs them. */
export function commandOf(request: ActRequest): readonly string[] {
  switch (request.verb) {
    case "scale":
      return ["scale", `${request.service}=${request.replicas ?? 1}`, "--app", request.app];
    case "start":
    case "stop":
    case "restart":
    case "reload":
      return [request.verb, request.service, "--app", request.app];
    case "rollback":
      return ["rollback", String(request.release), "--app", request.app];
    case "release":
      return ["owners", "release", request.id];
    case "retry":
    case "cancel":
      return ["jobs", request.verb, request.run];
    case "retry all":
      return ["jobs", "retry", "--all-matching", ...failedWords(request.filter)];
    case "pause":
    case "resume":
    case "drain":
      return ["jobs", request.verb, request.queue];
  }
}

function failedWords(filter: ViewRequest["filter"]): string[] {
  return filterWords({ ...filter, state: "failed" });
}

/** The command line of words, as a shell reads it. */
export function lineOf(words: readonly string[]): string {
  const quoted = words.map((word) =>
    /^[\w./:=@%+~-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`,
  );
  return ["newel", ...quoted].join(" ");
}
