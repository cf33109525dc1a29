import { isNewelError, messageOf } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";
import type { ResolvedService } from "./config/resolved.ts";
import type { EndedRuns } from "./ended-runs.ts";
import { handOver, type HandOverParts } from "./hand-over.ts";
import type { ServiceMachine } from "./machine/service-machine.ts";
import type { Effect, MachineEvent } from "./machine/types.ts";
import type { ServiceCounts } from "./metrics/service-counts.ts";
import type { RunName } from "./process-names.ts";
import { Replica, type ReplicaParts } from "./replica.ts";
import type { Killed } from "./stop-tree.ts";

/** The pause before an effect that the kernel did not answer is tried again, in milliseconds. */
const EFFECT_AGAIN_MS = 200;

interface EffectParts extends ReplicaParts, HandOverParts {
  readonly app: string;
  readonly log: (text: string) => void;
}

/** The service that the replicas belong to. */
interface EffectOwner {
  /** The machine, to be read. */
  readonly machine: Pick<ServiceMachine, "spec" | "replicas">;
  readonly ended: EndedRuns;
  readonly counts: ServiceCounts;
  /** The settings of a process that this supervisor did not start. */
  readonly specOf: (run: RunName) => ResolvedService;
  readonly dispatch: (event: MachineEvent) => void;
  readonly launchFailed: (generation: number, error: unknown) => void;
  readonly killed: (replica: Replica, killed: readonly Killed[]) => void;
}

/** The living replicas of a service, and the effects of its machine on each: the outcome of an effect is an event. */
export class ReplicaEffects {
  readonly #parts: EffectParts;
  readonly #owner: EffectOwner;
  /** By generation, oldest first. */
  readonly #replicas = new Map<number, Replica>();

  constructor(parts: EffectParts, owner: EffectOwner) {
    this.#parts = parts;
    this.#owner = owner;
  }

  get all(): readonly Replica[] {
    return [...this.#replicas.values()];
  }

  get(generation: number): Replica | undefined {
    return this.#replicas.get(generation);
  }

  make(run: RunName, spec: ResolvedService): Replica {
    const generation = run.run;
    const replica = new Replica(
      run,
      spec,
      this.#parts,
      () => this.#stateOf(generation),
      (exitCode) => this.#owner.dispatch({ type: "ended", generation, exitCode }),
    );
    this.#replicas.set(generation, replica);
    return replica;
  }

  /** Releases a replica without processes. */
  take(generation: number): Replica | undefined {
    const replica = this.#replicas.get(generation);
    this.#replicas.delete(generation);
    replica?.close();
    return replica;
  }

  launch({ generation, number, spec, hold }: Extract<Effect, { do: "launch" }>): void {
    const { dispatch, launchFailed } = this.#owner;
    const run: RunName = {
      app: this.#parts.app,
      service: spec.name,
      slot: number,
      run: generation,
      hash: spec.hash,
    };
    const replica = this.make(run, spec);
    replica.launch(hold).then(
      () => dispatch({ type: "launched", generation }),
      (error: unknown) => {
        launchFailed(generation, error);
        const why = messageOf(error).replace(/\.$/, "");
        this.#parts.log(`${replica.name}: ${why}`);
        dispatch({ type: "launch failed", generation, why });
      },
    );
  }

  probe(generation: number): void {
    this.#repeat(
      generation,
      async (replica, startedMs) => {
        await replica.probe(performance.now() - startedMs);
        this.#reportHook(replica, await replica.afterReady());
      },
      (replica) => {
        if (replica.isProbed) this.#owner.dispatch({ type: "ready", generation });
      },
    );
  }

  check(generation: number): void {
    const { machine, dispatch } = this.#owner;
    const replica = this.#replicas.get(generation);
    const { alive } = machine.spec;
    const result =
      replica === undefined || alive === undefined ? undefined : replica.checkAlive(alive);
    Promise.resolve(result).then(
      (failure) => dispatch({ type: "checked", generation, failure }),
      (error: unknown) => dispatch({ type: "checked", generation, failure: messageOf(error) }),
    );
  }

  accept(generation: number): void {
    this.#repeat(
      generation,
      (replica) => replica.accept(),
      () => this.#owner.dispatch({ type: "accepted", generation }),
    );
  }

  stop(generation: number, now: boolean): void {
    const { machine, counts, dispatch, killed: reportKilled } = this.#owner;
    const replica = this.#replicas.get(generation) ?? this.#endedReplica(generation);
    if (replica === undefined) {
      // The kernel does not know the process any more: nothing is left to stop.
      queueMicrotask(() => dispatch({ type: "stopped", generation }));
      return;
    }
    replica.endProbe();
    const measured = replica.isOver ? undefined : performance.now();
    const { spec } = machine;
    const stopping = now
      ? replica.stop(true)
      : replica.beforeStop().then(async (failed) => {
          this.#reportHook(replica, failed);
          // Only a change of the configuration has other sockets.
          if (replica.spec.hash !== spec.hash) await handOver(replica, spec, this.#parts);
          return replica.stop(false);
        });
    stopping.then(
      () => {
        const killed = replica.takeKilled();
        if (measured !== undefined) counts.stopped(performance.now() - measured);
        if (killed.length > 0) reportKilled(replica, killed);
        dispatch({ type: "stopped", generation });
      },
      (error: unknown) => {
        const why =
          isNewelError(error) && error.code === "NEWEL_E_NOT_STOPPED"
            ? String(error.data["why"])
            : messageOf(error).replace(/\.$/, "");
        this.#parts.log(`${replica.name} is not stopped yet: ${why}`);
        dispatch({ type: "stop failed", generation, why });
      },
    );
  }

  #reportHook(replica: Replica, failure: string | undefined): void {
    if (failure !== undefined) this.#parts.log(`${replica.name}: ${failure}`);
  }

  /** A replica that ended while no supervisor ran; its descendants may be left. */
  #endedReplica(generation: number): Replica | undefined {
    const run = this.#owner.ended.run(generation);
    if (run === undefined) return undefined;
    const replica = this.make(run, this.#owner.specOf(run));
    replica.end(null);
    return replica;
  }

  /** Retries until it succeeds or the replica is being stopped; the machine sets the time limit. */
  #repeat(
    generation: number,
    act: (replica: Replica, startedMs: number) => Promise<void>,
    done: (replica: Replica) => void,
  ): void {
    const tryOnce = async (): Promise<void> => {
      for (;;) {
        const replica = this.#replicas.get(generation);
        const state = this.#stateOf(generation);
        if (replica === undefined || state === undefined || state.phase === "stopping") return;
        try {
          await act(replica, state.startedMs);
          return done(replica);
        } catch (error) {
          this.#parts.log(`${replica.name}: ${messageOf(error)}`);
          await sleep(EFFECT_AGAIN_MS);
        }
      }
    };
    void tryOnce();
  }

  #stateOf(generation: number): ServiceMachine["replicas"][number] | undefined {
    return this.#owner.machine.replicas.find((state) => state.generation === generation);
  }
}
