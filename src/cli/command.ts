import type { ServiceView } from "../supervisor/api.ts";
import type { Output } from "./output/output.ts";

/** An option of a command, by its long name. */
interface OptionInfo {
  /** What stands for its value in the help: `FILE`. Missing: the option takes none. */
  readonly value?: string;
  /** One letter. */
  readonly short?: string;
  readonly summary: string;
  /** An empty value is one too: `--host ""`. */
  readonly blank?: boolean;
  /** Understood, but not shown in the help. */
  readonly hidden?: boolean;
}

export type Options = Readonly<Record<string, OptionInfo>>;

/** The parsed command line, checked against the options of the command. */
export interface Arguments {
  /** The words that are no options, in their order; those after `--` too. */
  readonly words: readonly string[];
  /** The words after `--`. */
  readonly command: readonly string[];
  /** Whether an option without a value was given. */
  has(option: string): boolean;
  /** The value of an option, the last one if it was given twice. */
  text(option: string): string | undefined;
}

/** The environment of a command. */
export interface Context {
  readonly output: Output;
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Called by `newel run` once the app is up. */
  readonly onUp?: ((running: Running) => void) | undefined;
}

/** The app that `newel run` has brought up. */
interface Running {
  readonly supervisorPid: number;
  readonly services: readonly ServiceView[];
}

/** A verb of the command line. */
export interface Command {
  readonly name: string;
  /** One line, beginning with a verb: `Lists services and how they are.` */
  readonly summary: string;
  /** What may follow the name: `[SERVICE…] [-a] [--json]`. */
  readonly usage: string;
  /** How many words it takes. Default: none. */
  readonly words?: { readonly min?: number; readonly max?: number };
  readonly options: Options;
  readonly examples: readonly { readonly line: string; readonly does: string }[];
  /** Paragraphs below the options. */
  readonly notes?: readonly string[];
  /** The exit code; another number is that of a program that the command ran. */
  run(args: Arguments, context: Context): Promise<number>;
}

/** Every command takes these. */
export const COMMON_OPTIONS: Options = {
  json: { summary: "print JSON: one document, or one object a line for streams" },
  help: { short: "h", summary: "print this help" },
};

export const CONFIG_OPTION: Options = {
  config: {
    short: "c",
    value: "FILE",
    summary: "the configuration (default: newel.config.* here or above)",
  },
  file: { short: "f", value: "FILE", summary: "the same as --config", hidden: true },
};

export const PROFILE_OPTION: Options = {
  profile: { value: "NAMES", summary: "the active profiles, a,b (default: $NEWEL_PROFILES)" },
};

export const APP_OPTION: Options = {
  app: { value: "NAME", summary: "the app (default: the one configured here or above)" },
};

export const ALL_OPTION: Options = { all: { summary: "every service of every app" } };

export const TIMEOUT_OPTION: Options = {
  timeout: { value: "TIME", summary: "stop waiting after this long (30s, 2m); exit code 124" },
};
