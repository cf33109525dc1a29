// The public types of newel/jobs/react. `npm run api` writes this file.

export type JobState = RunEvent["state"] | "unknown" | "forbidden" | "missing";

export interface JobView {
    readonly run?: string;
    readonly state: JobState;
    readonly progress?: NonNullable<RunEvent["progress"]>;
    readonly result?: unknown;
    readonly error?: NonNullable<RunEvent["error"]>;
    readonly connection: "open" | "lost" | "closed";
}

export function useJob(url: string | undefined, run?: string): JobView | undefined;

// Not exported, but used by the types above.

interface Progress {
    readonly done: number;
    readonly total: number;
    readonly note?: string;
}

interface RunError {
    readonly code?: string;
    readonly name: string;
    readonly message: string;
}

interface RunEvent {
    readonly id: string;
    readonly run: string;
    readonly type: "run" | "state" | "progress";
    readonly state: RunState;
    readonly progress?: Progress;
    readonly result?: unknown;
    readonly error?: RunError;
}

type RunState = "waiting" | "delayed" | "running" | "done" | "failed" | "cancelled";
