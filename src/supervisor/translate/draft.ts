/** JavaScript for the configuration in place of a value, and the value that it has now. */
export class Code {
  readonly text: string;
  readonly value: string | number | boolean | undefined;

  constructor(text: string, value: string | number | boolean | undefined) {
    this.text = text;
    this.value = value;
  }
}

/** A setting as the configuration gets it. `undefined` leaves it out. */
export type Setting =
  | string
  | number
  | boolean
  | undefined
  | Code
  | Environment
  | readonly Setting[]
  | { readonly [key: string]: Setting };

export type Settings = Readonly<Record<string, Setting>>;

/** Variables, and those that other values of NODE_ENV add or replace. */
export class Environment {
  readonly always: Settings;
  readonly variants: ReadonlyMap<string, Settings>;

  constructor(always: Settings, variants: ReadonlyMap<string, Settings>) {
    this.always = always;
    this.variants = variants;
  }

  get isEmpty(): boolean {
    return Object.keys(this.always).length === 0 && this.variants.size === 0;
  }

  /** The variables for a value of NODE_ENV. */
  of(profile: string | undefined): Settings {
    const more = profile === undefined ? undefined : this.variants.get(profile);
    return { ...this.always, ...more };
  }
}

/**
 * A part of the other tool's file that the configuration does not have as it was. `dropped`: newel has nothing like it, or
 * not here. `needless`: newel does the same without a setting. `remark`: it is there in another way.
 */
export interface Note {
  readonly kind: "dropped" | "needless" | "remark";
  /** The file, absolute, if it is not the file that was named. */
  readonly file?: string;
  readonly line?: number | undefined;
  readonly service?: string | undefined;
  /** The setting of the other tool; empty for a remark about the whole. */
  readonly key: string;
  /** A clause after `KEY is not carried over: `; of a remark a sentence. Never a value of an environment. */
  readonly reason: string;
}

/** A service in the words of newel. */
export interface Draft {
  readonly name: string;
  readonly line?: number | undefined;
  readonly settings: Settings;
}

/** The tools whose files are read. */
export type Tool =
  | "pm2"
  | "Procfile"
  | "compose"
  | "process-compose"
  | "supervisord"
  | "systemd"
  | "package.json";

/** A file of another tool in the words of newel. */
export interface Translation {
  readonly tool: Tool;
  /** Absolute. */
  readonly file: string;
  /** Settings of the app other than `services`. */
  readonly app: Settings;
  readonly services: readonly Draft[];
  readonly notes: readonly Note[];
  /** The variant of environments where NODE_ENV is not set. */
  readonly profile?: string | undefined;
  /** Lines of code before the export, such as `process.loadEnvFile()`. */
  readonly before?: readonly string[];
}

/** The notes of one file, in the order in which they are found. */
export class Notes {
  readonly list: Note[] = [];

  dropped(at: At, reason: string): void {
    this.list.push({ kind: "dropped", ...at, reason });
  }

  needless(at: At, reason: string): void {
    this.list.push({ kind: "needless", ...at, reason });
  }

  remark(at: At, reason: string): void {
    this.list.push({ kind: "remark", ...at, reason });
  }
}

/** The place of a note. */
export type At = Pick<Note, "file" | "line" | "service" | "key">;

/** A setting as plain data, with the values that code in it has now. */
function toData(setting: Setting, profile: string | undefined): unknown {
  if (setting instanceof Code)
    return typeof setting.value === "string" ? escapeVariables(setting.value) : setting.value;
  if (setting instanceof Environment) return toData(setting.of(profile), profile);
  if (Array.isArray(setting)) return setting.map((each) => toData(each, profile));
  if (typeof setting !== "object") return setting;
  const entries = Object.entries(setting)
    .map(([key, value]) => [key, toData(value, profile)] as const)
    .filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries);
}

/** The configuration as plain data, for the environment of the caller. */
export function toConfig(translation: Translation, environment: NodeJS.ProcessEnv): unknown {
  const profile = environment["NODE_ENV"] ?? translation.profile;
  const services = translation.services.map(({ name, settings }) => [
    name,
    toData(settings, profile),
  ]);
  const app = toData(translation.app, profile);
  return { ...(typeof app === "object" ? app : {}), services: Object.fromEntries(services) };
}

/** Escapes `${` in a text, so that newel does not read it as a variable. */
const escapeVariables = (text: string): string => text.replaceAll("${", () => "$${");

/** Settings whose texts newel takes as they are; a `run` text is the shell's. */
export function escapeSettings(settings: Settings): Settings {
  const entries = Object.entries(settings).map(([key, value]) => [
    key,
    key === "run" && typeof value === "string" ? value : escapeSetting(value),
  ]);
  return Object.fromEntries(entries) as Settings;
}

function escapeSetting(setting: Setting): Setting {
  if (typeof setting === "string") return escapeVariables(setting);
  if (typeof setting !== "object" || setting instanceof Code) return setting;
  if (setting instanceof Environment) {
    const variants = [...setting.variants].map(([name, each]) => [name, escapeAll(each)] as const);
    return new Environment(escapeAll(setting.always), new Map(variants));
  }
  if (Array.isArray(setting)) return setting.map((each: Setting) => escapeSetting(each));
  return escapeAll(setting as Settings);
}

function escapeAll(settings: Settings): Settings {
  const entries = Object.entries(settings).map(([key, value]) => [key, escapeSetting(value)]);
  return Object.fromEntries(entries) as Settings;
}

/** A name that a service can have; the names before it are not taken again. */
export function serviceName(wanted: string, taken: ReadonlySet<string>): string {
  const plain = wanted
    .replaceAll(/[^A-Za-z0-9_-]+/g, "-")
    .replaceAll(/^[^A-Za-z]+|-+$/g, "")
    .slice(0, 90);
  const name = plain === "" ? "app" : plain;
  for (let number = 1; ; number += 1) {
    const each = number === 1 ? name : `${name}-${number}`;
    if (!taken.has(each)) return each;
  }
}

/** A name in newel for each name in the file of another tool. */
export function serviceNames(wanted: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const taken = new Set<string>();
  for (const each of wanted) {
    const service = serviceName(each, taken);
    taken.add(service);
    names.set(each, service);
  }
  return names;
}

/** Milliseconds as a duration of the configuration: 8000 is `"8s"`. */
export function duration(ms: number): string {
  const rounded = Math.max(0, Math.round(ms));
  if (rounded !== 0 && rounded % 60_000 === 0) return `${rounded / 60_000}m`;
  return rounded % 1000 === 0 ? `${rounded / 1000}s` : `${rounded}ms`;
}
