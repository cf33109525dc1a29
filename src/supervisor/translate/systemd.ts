import { homedir, hostname, userInfo } from "node:os";
import { basename, resolve } from "node:path";

import {
  type Draft,
  duration,
  Notes,
  serviceNames,
  type Setting,
  type Settings,
  type Translation,
} from "./draft.ts";
import { account, type Granted, grantedSettings } from "./identity.ts";
import type { IniEntry } from "./ini.ts";
import { commandSettings, usualListen } from "./node-program.ts";
import { integer, nearPath, type Parsed } from "./parsed.ts";
import { splitShell } from "./shell-words.ts";
import {
  SYSTEMD_CARRIED,
  SYSTEMD_DROPPED,
  SYSTEMD_FAMILIES,
  SYSTEMD_NEEDLESS,
} from "./systemd-keys.ts";
import { readUnit, type Unit } from "./systemd-units.ts";

/** Reads units of systemd: `.service` files with the `.socket` files that belong to them. */
export function translateSystemd(parsed: Parsed, files: readonly string[]): Translation {
  const notes = new Notes();
  const units = files.map((file) => readUnit(file, parsed.directory));
  const services = units.filter(({ kind }) => kind === ".service");
  const names = serviceNames(services.map(({ name }) => name));
  for (const unit of units)
    if (unit.kind !== ".service" && unit.kind !== ".socket")
      notes.dropped(
        { file: unit.file, line: 1, key: basename(unit.file) },
        KINDS[unit.kind] ?? "newel has nothing like it",
      );
  return {
    tool: "systemd",
    file: parsed.file,
    app: {},
    services: services.map((unit) => new Service(unit, { parsed, notes, names, units }).draft()),
    notes: notes.list,
  };
}

const KINDS: Readonly<Record<string, string>> = {
  ".timer": "newel has no clock: let the timer run `newel start NAME`",
  ".target": "newel starts all services of its file",
  ".path": "newel watches no files",
  ".mount": "newel mounts nothing",
};

interface Context {
  readonly parsed: Parsed;
  readonly notes: Notes;
  readonly names: ReadonlyMap<string, string>;
  readonly units: readonly Unit[];
}

class Service {
  readonly #unit: Unit;
  readonly #context: Context;
  readonly #service: string;

  constructor(unit: Unit, context: Context) {
    this.#unit = unit;
    this.#context = context;
    this.#service = context.names.get(unit.name) ?? unit.name;
  }

  draft(): Draft {
    const { parsed, notes } = this.#context;
    this.#report();
    if (basename(this.#unit.file).includes("@."))
      notes.remark(
        this.#at(undefined, ""),
        "is a template: replicas and $(replica) stand for its instances.",
      );
    const directory = this.#text("WorkingDirectory")?.replace(/^-/, "").replace(/^~$/, homedir());
    const cwd = resolve(parsed.directory, directory ?? ".");
    const command = this.#command();
    const env = this.#environment();
    return {
      name: this.#service,
      line: this.#entry("ExecStart")?.line,
      settings: {
        ...command,
        cwd: nearPath(parsed.directory, cwd),
        listen: this.#listen() ?? usualListen(command, env, cwd, parsed),
        env,
        envFile: this.#envFiles(),
        passEnv: this.#passed(),
        dependsOn: this.#dependsOn(),
        ready: this.#ready(),
        stop: this.#stop(),
        restart: this.#restart(),
        ...this.#identity(),
        umask: this.#text("UMask")?.replace(/^0(?=\d{3}$)/, ""),
      },
    };
  }

  #at(
    entry: IniEntry | undefined,
    key: string,
  ): { file: string; line: number | undefined; service: string; key: string } {
    return { file: this.#unit.file, line: entry?.line, service: this.#service, key };
  }

  #report(): void {
    const { notes } = this.#context;
    for (const entry of this.#unit.entries) {
      const { key } = entry;
      if (SYSTEMD_CARRIED.has(key)) continue;
      const at = this.#at(entry, key);
      const family = SYSTEMD_FAMILIES.find(([pattern]) => pattern.test(key))?.[1];
      if (Object.hasOwn(SYSTEMD_NEEDLESS, key)) notes.needless(at, SYSTEMD_NEEDLESS[key] ?? "");
      else notes.dropped(at, SYSTEMD_DROPPED[key] ?? family ?? "newel has nothing like it");
    }
  }

  #entry(key: string): IniEntry | undefined {
    return this.#unit.entries.findLast((each) => each.key === key);
  }

  #identity(): Settings {
    const granted = (
      key: string,
      settingsOf: (value: string) => Granted["settings"] | undefined,
    ) => {
      const entry = this.#entry(key);
      const value = this.#text(key);
      const settings = value === undefined ? undefined : settingsOf(value);
      if (settings !== undefined) return { settings, at: this.#at(entry, key) };
      if (entry !== undefined && value !== undefined)
        this.#context.notes.dropped(
          this.#at(entry, key),
          'newel takes a whole number, or "unlimited"',
        );
      return undefined;
    };
    const accountOf = (name: "user" | "group") => (text: string) => {
      const value = account(text);
      return value === undefined ? undefined : { [name]: value };
    };
    return grantedSettings(
      [
        granted("User", accountOf("user")),
        granted("Group", accountOf("group")),
        granted("Nice", (text) =>
          integer(text) === undefined ? undefined : { nice: Number(text) },
        ),
        ...LIMITS.map((name) =>
          granted(`Limit${name.toUpperCase()}`, (text) => limitOf(name, text)),
        ),
      ],
      this.#context.notes,
    );
  }

  /** All values of a key; an empty one forgets those before it, as in systemd. */
  #all(key: string): readonly string[] {
    const values: string[] = [];
    for (const entry of this.#unit.entries) {
      if (entry.key !== key) continue;
      if (entry.value === "") values.length = 0;
      else values.push(this.#expand(entry.value));
    }
    return values;
  }

  #text(key: string): string | undefined {
    const entry = this.#entry(key);
    return entry === undefined || entry.value === "" ? undefined : this.#expand(entry.value);
  }

  #expand(value: string): string {
    const { name } = this.#unit;
    const words: Readonly<Record<string, string>> = {
      "%": "%",
      n: `${name}.service`,
      N: name,
      p: name,
      i: "$(replica)",
      I: "$(replica)",
      h: homedir(),
      u: userInfo().username,
      H: hostname(),
      t: process.getuid?.() === 0 ? "/run" : `/run/user/${process.getuid?.() ?? ""}`,
    };
    return value.replaceAll(/%([%a-zA-Z])/g, (whole, letter: string) => words[letter] ?? whole);
  }

  #command(): Settings {
    const lines = this.#all("ExecStart");
    const { notes } = this.#context;
    const entry = this.#entry("ExecStart");
    if (lines.length === 0) {
      notes.dropped(this.#at(entry, "ExecStart"), "the unit has none, so write node or run");
      return {};
    }
    const plain = lines.map((line) => line.replace(/^[-@:+!|]+/, ""));
    // Several commands are allowed in a oneshot unit alone.
    if (plain.length > 1) return { run: plain.join(" && ") };
    const [line = ""] = plain;
    if (/\$(?!\$|\(replica\))/.test(line)) return { run: line.replaceAll("$$", String.raw`\$`) };
    return commandSettings(splitShell(line.replaceAll("$$", "$")).words);
  }

  #listen(): Setting {
    const { units, notes } = this.#context;
    const named = this.#all("Sockets").flatMap((text) => text.split(/\s+/));
    const sockets = units.filter(
      ({ kind, name, file }) =>
        kind === ".socket" && (name === this.#unit.name || named.includes(basename(file))),
    );
    const found = sockets.flatMap((unit) =>
      unit.entries.flatMap((entry) => {
        const { key, value } = entry;
        if (key === "ListenStream") return streamOf(value);
        if (key.startsWith("Listen"))
          notes.dropped(
            { file: unit.file, line: entry.line, service: this.#service, key },
            "newel holds TCP and Unix stream sockets alone",
          );
        return [];
      }),
    );
    return found.length === 0 ? undefined : found.length === 1 ? found[0] : found;
  }

  #environment(): Setting {
    const pairs = this.#all("Environment")
      .flatMap((line) => splitShell(line).words)
      .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)] as const)
      .filter(([name]) => name !== "");
    return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
  }

  #envFiles(): Setting {
    const files = this.#all("EnvironmentFile").map((path) =>
      path.startsWith("-") ? `${path.slice(1)}?` : path,
    );
    return files.length === 0 ? undefined : files.length === 1 ? files[0] : files;
  }

  #passed(): Setting {
    const names = this.#all("PassEnvironment").flatMap((text) => text.split(/\s+/));
    return names.length === 0 ? undefined : names;
  }

  #dependsOn(): Setting {
    const { names, units } = this.#context;
    const others = new Set(
      ["Requires", "Wants", "BindsTo", "After"].flatMap((key) =>
        this.#all(key).flatMap((text) => text.split(/\s+/)),
      ),
    );
    const entries = [...others].flatMap((other) => {
      const name = basename(other, ".service").replace(/@.*$/, "");
      const service = other.endsWith(".service") ? names.get(name) : undefined;
      if (service === undefined || name === this.#unit.name) return [];
      const unit = units.find((each) => each.kind === ".service" && each.name === name);
      const isOnce =
        unit?.entries.some(({ key, value }) => key === "Type" && value === "oneshot") === true;
      return [[service, isOnce ? "completed" : "ready"] as const];
    });
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }

  #ready(): Setting {
    const type = this.#text("Type") ?? "simple";
    const { notes } = this.#context;
    const start = span(this.#text("TimeoutStartSec") ?? this.#text("TimeoutSec"));
    const entry = this.#entry("Type");
    if (type === "forking")
      notes.dropped(
        this.#at(entry, "Type"),
        "forking: newel supervises the program itself, so let it stay in the foreground",
      );
    if (type === "dbus")
      notes.dropped(this.#at(entry, "Type"), "dbus: readiness is by http, tcp, log or notify");
    const isNotify = type.startsWith("notify");
    if (isNotify)
      notes.remark(
        this.#at(entry, "Type"),
        "is notify: newel reads READY=1 from the descriptor in NEWEL_NOTIFY_FD, not from NOTIFY_SOCKET, so readiness is decided by time.",
      );
    return start === undefined || start === 0 || type === "oneshot"
      ? undefined
      : { timeout: duration(start) };
  }

  #stop(): Setting {
    const signal = this.#text("KillSignal");
    const grace = span(this.#text("TimeoutStopSec") ?? this.#text("TimeoutSec"));
    const mode = this.#text("KillMode");
    if (mode === "none" || mode === "process")
      this.#context.notes.dropped(
        this.#at(this.#entry("KillMode"), "KillMode"),
        `${mode}: a stop of newel ends the whole process tree`,
      );
    const stop = {
      ...(signal === undefined || signal === "SIGTERM"
        ? {}
        : { signal: signal.startsWith("SIG") ? signal : `SIG${signal}` }),
      ...(grace === undefined ? {} : { grace: duration(grace) }),
    };
    return Object.keys(stop).length === 0 ? undefined : stop;
  }

  #restart(): Setting {
    const word = this.#text("Restart") ?? "no";
    const policies: Readonly<Record<string, string | undefined>> = {
      no: "never",
      always: undefined,
      "on-success": undefined,
    };
    const policy = Object.hasOwn(policies, word) ? policies[word] : "on-failure";
    if (policy === "never") return policy;
    if (word === "on-success")
      this.#context.notes.remark(
        this.#at(this.#entry("Restart"), "Restart"),
        "is on-success: newel starts the program again after a failure too.",
      );
    const wait = span(this.#text("RestartSec"));
    const max = integer(this.#text("StartLimitBurst"));
    const within = span(this.#text("StartLimitIntervalSec") ?? this.#text("StartLimitInterval"));
    const rest = {
      ...(max === undefined || max < 1 ? {} : { max }),
      ...(within === undefined || within === 0 ? {} : { within: duration(within) }),
      ...(wait === undefined || wait === 0
        ? {}
        : { backoff: { min: duration(wait), max: duration(wait) } }),
    };
    if (Object.keys(rest).length === 0) return policy;
    return { ...(policy === undefined ? {} : { policy }), ...rest };
  }
}

/** `3000`, `127.0.0.1:3000`, `[::1]:3000` or a path. */
function streamOf(value: string): Setting[] {
  if (/^\d+$/.test(value)) return [Number(value)];
  if (value.startsWith("/")) return [value];
  return /^(?:\[[^\]]+\]|[\d.]+):\d+$/.test(value)
    ? [value.replace(/^0\.0\.0\.0:/, "0.0.0.0:")]
    : [];
}

const LIMITS = ["nofile", "nproc", "core", "as", "data", "stack", "fsize", "memlock"] as const;

/** `65536`, `1024:65536`, `2G` or `infinity`: the hard limit, which newel sets for both. */
function limitOf(name: (typeof LIMITS)[number], text: string): Granted["settings"] | undefined {
  const hard = text.split(":").at(-1)?.trim() ?? "";
  if (hard === "infinity") return { limits: { [name]: "unlimited" } };
  const [, digits, unit = ""] = /^(\d+)([KMGkmg]?)$/.exec(hard) ?? [];
  if (digits === undefined) return undefined;
  if (name === "nofile" || name === "nproc")
    return unit === "" ? { limits: { [name]: Number(digits) } } : undefined;
  if (digits === "0") return { limits: { [name]: 0 } };
  return { limits: { [name]: `${digits}${unit === "" ? "" : `${unit.toUpperCase()}i`}B` } };
}

const SPANS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  sec: 1000,
  min: 60_000,
  m: 60_000,
  h: 3_600_000,
  hr: 3_600_000,
  d: 86_400_000,
};

/** A time span of systemd, `2min 30s` or seconds, in milliseconds; `infinity` is none. */
function span(text: string | undefined): number | undefined {
  if (text === undefined || text === "infinity") return undefined;
  if (/^\d+(?:\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/g)];
  const sum = parts.reduce((total, [, amount = "0", unit = ""]) => {
    const factor =
      SPANS[unit.replace(/^(?:seconds?|secs)$/, "s").replace(/^(?:minutes?|mins)$/, "min")];
    return total + Number(amount) * (factor ?? Number.NaN);
  }, 0);
  return parts.length === 0 || Number.isNaN(sum) ? undefined : Math.round(sum);
}
