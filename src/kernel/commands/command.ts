import type { Kernel } from "../api.ts";
import type { Kind } from "./kinds.ts";

/** One field of a command. */
export interface Field<T, Required extends boolean = boolean> {
  readonly kind: Kind<T>;
  /**
   * Its place in a text line: a word by its position, `key=value` right after the name, or the rest of the
   * line.
   */
  readonly place: "word" | "option" | "rest" | "json";
  readonly required: Required;
  /** Its description for help. */
  readonly about: string;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

type ValueOf<F> = F extends Field<infer T> ? T : never;
type KeysOf<F extends Fields, Required extends boolean> = {
  [Key in keyof F]: F[Key] extends Field<unknown, Required> ? Key : never;
}[keyof F];

/** The input of a command: each required field, and the optional ones that were given. */
type Input<F extends Fields> = {
  readonly [Key in KeysOf<F, true>]: ValueOf<F[Key]>;
} & { readonly [Key in KeysOf<F, false>]?: ValueOf<F[Key]> };

/** A reply that is complete at once, in both renderings. */
export interface Reply {
  readonly kind: "reply";
  readonly json: unknown;
  /** It is said once the values are on the disk. */
  readonly synced?: boolean;
  /** The lines of the text reply, without line ends. */
  text(): readonly string[];
}

/** The session's work for a command that takes longer than one reply or concerns the connection. */
export type Answer =
  | Reply
  | {
      readonly kind: "watch";
      readonly names: readonly string[];
      readonly from?: { readonly out?: number; readonly err?: number };
      readonly follow: boolean;
      readonly reader?: string;
      /** The reply that precedes the frames. */
      readonly first: Reply;
    }
  | { readonly kind: "events"; readonly since: number }
  | { readonly kind: "unwatch"; readonly id: string | number }
  | { readonly kind: "hold"; readonly path: string }
  | { readonly kind: "claim"; readonly name: string; readonly pid?: number; readonly had?: number }
  | { readonly kind: "release"; readonly name: string }
  | { readonly kind: "upgrade"; readonly node?: string; readonly program?: string }
  | { readonly kind: "quit" }
  | { readonly kind: "exit" };

export interface CommandContext {
  readonly kernel: Kernel;
}

/** One row of the table. */
export interface Command {
  /** The words of the command, such as `["make", "socket"]`. */
  readonly words: readonly [string, string?];
  readonly summary: string;
  readonly detail: string;
  readonly examples: readonly string[];
  readonly fields: Fields;
  /** Not a command of papa: an abbreviation that fits a command of papa never means this one. */
  readonly addition: boolean;
  /** For programs only; the prompt has another command. */
  readonly jsonOnly: boolean;
  /** The command must be written in full. */
  readonly unabbreviated: boolean;
  execute(input: Readonly<Record<string, unknown>>, context: CommandContext): Answer;
}

interface CommandSpec<F extends Fields> {
  readonly words: readonly [string, string?];
  readonly summary: string;
  readonly detail?: string;
  readonly examples?: readonly string[];
  readonly fields?: F;
  readonly addition?: boolean;
  readonly jsonOnly?: boolean;
  readonly unabbreviated?: boolean;
  run(input: Input<F>, context: CommandContext): Answer;
}

/** Makes a row of the table; the parsers guarantee that its input has the shape of its fields. */
export function command<const F extends Fields>(spec: CommandSpec<F>): Command {
  return {
    words: spec.words,
    summary: spec.summary,
    detail: spec.detail ?? "",
    examples: spec.examples ?? [],
    fields: spec.fields ?? {},
    addition: spec.addition ?? false,
    jsonOnly: spec.jsonOnly ?? false,
    unabbreviated: spec.unabbreviated ?? false,
    execute: (input, context) => spec.run(input as Input<F>, context),
  };
}

/** A reply with its JSON value and the lines for a text session, if there are any. */
export function reply(json: unknown = null, text: () => readonly string[] = () => []): Reply {
  return { kind: "reply", json, text };
}

export function word<T>(kind: Kind<T>, about: string): Field<T, true> {
  return { kind, place: "word", required: true, about };
}

export function optionalWord<T>(kind: Kind<T>, about: string): Field<T, false> {
  return { kind, place: "word", required: false, about };
}

export function option<T>(kind: Kind<T>, about: string): Field<T, false> {
  return { kind, place: "option", required: false, about };
}

export function rest<T>(kind: Kind<T>, about: string): Field<T, true> {
  return { kind, place: "rest", required: true, about };
}

export function optionalRest<T>(kind: Kind<T>, about: string): Field<T, false> {
  return { kind, place: "rest", required: false, about };
}

export function jsonOnly<T>(kind: Kind<T>, about: string): Field<T, false> {
  return { kind, place: "json", required: false, about };
}

/** The words of a command joined by a space: `make socket`. */
export function title(command: Command): string {
  return command.words.filter((part) => part !== undefined).join(" ");
}
