import type { StandardSchemaV1 } from "@standard-schema/spec";

import type {
  EnqueueOptions,
  GivenOf,
  InputOf,
  JobHandler,
  Run,
  ScheduleSpec,
  ScheduleView,
} from "./api.ts";
import type { ResolvedJobOptions } from "./options.ts";

/** A schema, or none: then the input is whatever is given. */
export type AnySchema = StandardSchemaV1 | undefined;

/** What `enqueue` takes: a definition without a schema may be given no input at all. */
export type EnqueueArguments<Schema extends AnySchema> =
  unknown extends GivenOf<Schema>
    ? [input?: unknown, options?: EnqueueOptions]
    : undefined extends GivenOf<Schema>
      ? [input?: GivenOf<Schema>, options?: EnqueueOptions]
      : [input: GivenOf<Schema>, options?: EnqueueOptions];

/** A kind of work: its name, its options and what does it. Made by `job()`. */
export interface JobDefinition<Schema extends AnySchema = AnySchema, Result = unknown> {
  readonly name: string;
  readonly input: Schema;
  readonly options: ResolvedJobOptions;
  /** The unique key of a run, from its checked input. */
  keyOf(input: InputOf<Schema>): string | undefined;
  /** The group of a run, from its checked input. */
  groupOf(input: InputOf<Schema>): string | undefined;
  readonly handler: JobHandler<InputOf<Schema>, Result>;
  /**
   * Hands a run over to the job server. When this resolves, the run is durable, whether a server runs
   * or not.
   *
   * @throws NEWEL_E_JOB_INPUT the input does not fit the schema
   * @throws NEWEL_E_JOB_VALUE the input is not JSON
   * @throws NEWEL_E_JOB_PAYLOAD the input is too large
   * @throws NEWEL_E_JOB_OPTION, NEWEL_E_JOB_BY an option cannot be used
   */
  enqueue(...args: EnqueueArguments<Schema>): Promise<Run<GivenOf<Schema>, Result>>;
  /**
   * Enqueues a run again and again, until `unschedule`. The same id again replaces the schedule.
   *
   * @throws as `enqueue`, at once
   */
  schedule(
    id: string,
    when: ScheduleSpec,
    ...args: EnqueueArguments<Schema>
  ): Promise<ScheduleView>;
  /** @returns whether there was one */
  unschedule(id: string): Promise<boolean>;
}

/** Any definition, whatever its types. */
export interface AnyDefinition {
  readonly name: string;
  readonly input: AnySchema;
  readonly options: ResolvedJobOptions;
  keyOf(input: unknown): string | undefined;
  groupOf(input: unknown): string | undefined;
}
