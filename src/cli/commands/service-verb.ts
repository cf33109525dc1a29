import type { Progress, Target } from "../../supervisor/api.ts";
import { timeoutOf } from "../arguments.ts";
import {
  ALL_OPTION,
  APP_OPTION,
  type Arguments,
  type Command,
  type Context,
  TIMEOUT_OPTION,
} from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { followProgress } from "../output/progress.ts";
import { chooseTarget, type Concern } from "../here.ts";
import { type Supervisor, withSupervisor } from "../reach.ts";

/** The differences between the verbs over services. */
export interface ServiceVerb {
  readonly name: string;
  readonly summary: string;
  readonly examples: Command["examples"];
  readonly notes?: readonly string[];
  /** See {@link Concern}. */
  readonly concern: Concern;
  /** Throws when the verb cannot be carried out on the target. */
  readonly check?: (supervisor: Supervisor, target: Target, context: Context) => Promise<void>;
  /** Default: words, app and time limit. */
  readonly usage?: string;
  /** In addition to those of every such verb. */
  readonly options?: Command["options"];
  readonly does: (
    supervisor: Supervisor,
    target: Target,
    args: Arguments,
  ) => AsyncIterable<Progress>;
}

/** A command that does one thing to the services named, or to all of the app. */
export function serviceVerb({ does, concern, check, options, ...verb }: ServiceVerb): Command {
  return {
    usage: "[SERVICE…] [--app NAME | --all] [--timeout TIME]",
    ...verb,
    words: { max: Infinity },
    options: { ...options, ...APP_OPTION, ...ALL_OPTION, ...TIMEOUT_OPTION },
    run: (args, context) =>
      perform(args, context, async (supervisor) => {
        const target = await chooseTarget(args, context, supervisor, concern);
        await check?.(supervisor, target, context);
        return does(supervisor, target, args);
      }),
  };
}

/** Carries out a verb and shows how it goes. */
export async function perform(
  args: Arguments,
  context: Context,
  verb: (supervisor: Supervisor) => Promise<AsyncIterable<Progress>>,
): Promise<ExitCode> {
  const timeoutMs = timeoutOf(args);
  const startedMs = performance.now();
  return withSupervisor(context, async (supervisor) => {
    const { output } = context;
    const { exitCode, changed } = await followProgress(await verb(supervisor), output, {
      timeoutMs,
    });
    if (exitCode === EXIT.done) output.say(changed ? done(startedMs) : "Nothing to do.");
    return exitCode;
  });
}

export function done(startedMs: number): string {
  return `Done in ${((performance.now() - startedMs) / 1_000).toFixed(1)}s.`;
}
