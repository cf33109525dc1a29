import * as v from "valibot";

/** The times at which a service runs. */
export interface ResolvedSchedule {
  readonly cron: string;
  /** Missing: the time zone of the supervisor. */
  readonly tz?: string;
  /** The treatment of times that passed without a supervisor. */
  readonly missed: "run" | "skip";
}

export const cronSchema: v.GenericSchema<unknown, Pick<ResolvedSchedule, "cron" | "tz">> = v.object(
  {
    cron: v.string(),
    tz: v.exactOptional(v.string()),
  },
);

export const scheduleSchema: v.GenericSchema<unknown, ResolvedSchedule> = v.object({
  cron: v.string(),
  tz: v.exactOptional(v.string()),
  missed: v.picklist(["run", "skip"]),
});
