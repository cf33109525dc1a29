import type { StandardSchemaV1 } from "@standard-schema/spec";

import type { EnqueueOptions, Run, ScheduleSpec, ScheduleView } from "./api.ts";
import type { GivenOf, InputOf, JobHandler } from "./definition-types.ts";
import type { ResolvedJobOptions } from "./options.ts";

/** A schema, or `undefined`: then the input is not checked. */
export type AnySchema = StandardSchemaV1 | undefined;

/** The arguments of `enqueue`: the input is optional for a definition without a schema. */
export type EnqueueArguments<Schema extends AnySchema> =
  unknown extends GivenOf<Schema>
    ? [input?: unknown, options?: EnqueueOptions]
    : undefined extends GivenOf<Schema>
      ? [input?: GivenOf<Schema>, options?: EnqueueOptions]
      : [input: GivenOf<Schema>, options?: EnqueueOptions];

/** A job definition: its name, its options and its handler. Created by `job()`. */
export interface JobDefinition<Schema extends AnySchema = AnySchema, Result = unknown> {
  /** The name, unique among the definitions of its queue. */
  readonly name: string;
  /** The schema of the input, if there is one. */
  readonly input: Schema;
  /** The options with their defaults; durations in milliseconds, sizes in bytes. */
  readonly options: ResolvedJobOptions;
  /** The unique key of a run, from its checked input. */
  keyOf(input: InputOf<Schema>): string | undefined;
  /** The group of a run, from its checked input. */
  groupOf(input: InputOf<Schema>): string | undefined;
  /** The function that executes a run. */
  readonly handler: JobHandler<InputOf<Schema>, Result>;
  /**
   * Enqueues a run for the job server. When this resolves, the run is durable, whether a server runs
   * or not.
   *
   * @throws NEWEL_E_JOB_INPUT the input does not fit the schema
   * @throws NEWEL_E_JOB_VALUE the input is not JSON
   * @throws NEWEL_E_JOB_PAYLOAD the input is too large
   * @throws NEWEL_E_JOB_OPTION, NEWEL_E_JOB_BY an option is invalid
   */
  enqueue(...args: EnqueueArguments<Schema>): Promise<Run<GivenOf<Schema>, Result>>;
  /**
   * Enqueues a run repeatedly, until `unschedule`. A schedule with the same id is replaced.
   *
   * @throws as `enqueue`, when the schedule is created
   */
  schedule(
    id: string,
    when: ScheduleSpec,
    ...args: EnqueueArguments<Schema>
  ): Promise<ScheduleView>;
  /** Removes a schedule. @returns whether there was one */
  unschedule(id: string): Promise<boolean>;
}

/** A definition of any input and result type. */
export interface AnyDefinition {
  readonly name: string;
  readonly input: AnySchema;
  readonly options: ResolvedJobOptions;
  keyOf(input: unknown): string | undefined;
  groupOf(input: unknown): string | undefined;
}
