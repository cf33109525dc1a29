import type { ResolvedService } from "../config/resolved.ts";
import type { Fitness, Unfit } from "./fitness.ts";
import type { Step } from "./steps.ts";

/**
 * The vocabulary of the service machine: the events it is driven by and the effects it returns.
 *
 * All times are milliseconds of one monotonic clock that the caller provides; the machine never
 * reads a clock, so a step of the wall clock cannot change a decision.
 */

/** The actual state of one replica; a replica whose process tree is gone is not listed any more. */
type ReplicaPhase = "starting" | "running" | "stopping";

/** Why newel is stopping a replica. */
export type StopReason =
  /** A command stops it. */
  | "command"
  /** It was not ready within its time limit. */
  | "late"
  /** Its process ended by itself; its descendants are ended before it is started again. */
  | "cleanup"
  /** There are more replicas than wanted, or two with one number. */
  | "excess"
  /** Its liveness checks failed, or its processes used too much memory. */
  | Unfit["reason"];

/** The machine's state of one replica. */
export interface ReplicaState {
  /** Counts every start of a process of the app; never used twice. */
  readonly generation: number;
  /** The number in `web.1`. At most one replica has it, from the launch until its process tree is gone. */
  readonly number: number;
  /** The settings it was started with. */
  readonly spec: ResolvedService;
  phase: ReplicaPhase;
  ready: boolean;
  /** It listens and does not accept connections until the machine allows it. */
  held: boolean;
  /** Whether the kernel has confirmed that the process exists. */
  launched: boolean;
  /** Whether its process has ended; its descendants may still be there. */
  exited: boolean;
  exitCode: number | null;
  /** Whether newel requested the end before it ended. */
  asked: boolean;
  /** When it was launched. */
  startedMs: number;
  /** When it has to be ready; `undefined` once it is. */
  readyByMs: number | undefined;
  /** When it got ready. */
  readyMs: number | undefined;
  /** When it has to have begun to accept; set while the answer is awaited. */
  acceptByMs: number | undefined;
  /** When the stop ladder is tried again. */
  stopAgainMs: number | undefined;
  /** How often the stop ladder could not be carried out. */
  stopTries: number;
  stopReason: StopReason | undefined;
  /** Why it failed, as the rest of a sentence that begins with its name. */
  failure: string | undefined;
  /** The results of its liveness checks and memory samples. */
  readonly fitness: Fitness;
}

/** A process of the kernel that belongs to the service, as a list of the kernel shows it. */
export interface FoundReplica {
  readonly generation: number;
  readonly number: number;
  /** The settings with which the replica was started, if they are known. */
  readonly spec: ResolvedService;
  /** Whether these are the settings the service has now. */
  readonly current: boolean;
  readonly running: boolean;
  /** Whether the process has ended, but descendants of the process still run. */
  readonly hasDescendants: boolean;
  /** Whether an earlier supervisor has sent it the stop signal. */
  readonly isStopping?: boolean;
  /** Missing while it runs; `null` when the kernel could not learn it. */
  readonly exitCode?: number | null;
  /** How long it has been running by a monotonic clock, in milliseconds. */
  readonly ageMs: number;
}

/** A replica that ended with exit code 0 and is not run again. */
export interface CompletedReplica {
  readonly number: number;
  readonly generation: number;
}

/** A command of an operator, or of `up`, for a service. */
export type Command =
  | { readonly kind: "start" | "restart" | "reload" }
  /** `now`: SIGKILL without the grace. */
  | { readonly kind: "stop"; readonly now: boolean }
  /** Replaces one replica that is not fit any more: the new one first. The machine's own command. */
  | { readonly kind: "replace"; readonly generation: number }
  | { readonly kind: "scale"; readonly replicas: number; readonly relative: boolean }
  /** Applies these settings to the service; the steps are planned when the command begins. */
  | {
      readonly kind: "apply";
      readonly spec: ResolvedService;
      readonly up: boolean;
      readonly replicas: number;
      /** Replicas that completed their work under these settings: they are not run again. */
      readonly completed?: readonly CompletedReplica[];
    };

export type MachineEvent =
  | { readonly type: "command"; readonly id: number; readonly command: Command }
  /** Time has passed. */
  | { readonly type: "tick" }
  /** The kernel made the process. */
  | { readonly type: "launched"; readonly generation: number }
  /** The kernel did not make the process. */
  | { readonly type: "launch failed"; readonly generation: number; readonly why: string }
  /** The replica is ready as its service defines it. */
  | { readonly type: "ready"; readonly generation: number }
  /** A held replica accepts connections, or has no way to be held. */
  | { readonly type: "accepted"; readonly generation: number }
  /** The result of a liveness check; `failure`: how it failed, as the rest of a sentence. */
  | {
      readonly type: "checked";
      readonly generation: number;
      readonly failure: string | undefined;
    }
  /** A sample of the memory of its process tree. */
  | { readonly type: "measured"; readonly generation: number; readonly memoryBytes: number }
  /** The process has ended and its output is complete. */
  | { readonly type: "ended"; readonly generation: number; readonly exitCode: number | null }
  /** The stop ladder is done: no process of the replica is left. */
  | { readonly type: "stopped"; readonly generation: number }
  /** The stop ladder could not be carried out: the kernel did not answer, or a process cannot be killed. */
  | { readonly type: "stop failed"; readonly generation: number; readonly why: string }
  /**
   * Everything of this service that the kernel holds. Sent after each connection to a kernel.
   *
   * `rebooted`: the processes ended with the machine, so a replica that was wanted runs again
   * whatever its restart policy says.
   */
  | {
      readonly type: "found";
      readonly replicas: readonly FoundReplica[];
      readonly rebooted: boolean;
    };

/** Why a command failed. */
export interface CommandFailure {
  readonly reason: "not ready" | "cancelled" | "launch" | "not stopped";
  /** The number of the replica it failed on. */
  readonly number?: number;
  readonly generation?: number;
  /** The rest of a sentence that begins with the replica's name. */
  readonly why: string;
  /** Whether replicas that served before continue to serve. */
  readonly reloading: boolean;
}

/** An action for the caller. The machine never waits for an effect: its outcome is another event. */
export type Effect =
  /** Make the process; answered by `launched` or `launch failed`. */
  | {
      readonly do: "launch";
      readonly generation: number;
      readonly number: number;
      readonly spec: ResolvedService;
      readonly hold: boolean;
    }
  /** Watch until the replica is ready; answered by `ready`. Ends without an answer when the replica leaves `starting`. */
  | { readonly do: "probe"; readonly generation: number }
  /** Carry out one liveness check within its time limit; answered by `checked`. */
  | { readonly do: "check"; readonly generation: number }
  /** Let a held replica accept connections; answered by `accepted`. */
  | { readonly do: "accept"; readonly generation: number }
  /** Carry out the stop ladder; answered by `stopped` or `stop failed`. Sent again with `now`, it escalates. */
  | { readonly do: "stop"; readonly generation: number; readonly now: boolean }
  /** The replica is gone. */
  | {
      readonly do: "forget";
      readonly generation: number;
      readonly number: number;
      readonly exitCode: number | null;
      readonly asked: boolean;
      readonly failure: string | undefined;
      /** Why newel stopped it; `undefined` for a replica that completed. */
      readonly reason: StopReason | undefined;
    }
  /** A step of a command begins. */
  | { readonly do: "report"; readonly id: number; readonly step: Step }
  /** A command has ended. */
  | {
      readonly do: "finish";
      readonly id: number;
      readonly changed: boolean;
      readonly failure: CommandFailure | undefined;
    };
