import { globSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

import { configError, quoted } from "../config/problems.ts";
import {
  Code,
  type Draft,
  duration,
  Notes,
  serviceName,
  type Setting,
  type Settings,
  type Translation,
} from "./draft.ts";
import { account, grantedSettings } from "./identity.ts";
import { type IniEntry, readIni } from "./ini.ts";
import { commandSettings, usualListen } from "./node-program.ts";
import { boolean, integer, nearPath, type Parsed } from "./parsed.ts";
import { splitShell } from "./shell-words.ts";
import {
  SUPERVISORD_CARRIED,
  SUPERVISORD_DROPPED,
  SUPERVISORD_NEEDLESS,
  SUPERVISORD_SECTIONS,
} from "./supervisord-keys.ts";

/** A setting of a program with the file that it stands in. */
interface Entry extends IniEntry {
  readonly file: string;
}

/** Reads a supervisord.conf with the files that its [include] names. */
export function translateSupervisord(parsed: Parsed): Translation {
  const notes = new Notes();
  const entries = readAll(parsed, parsed.file, parsed.text);
  const names = new Set<string>();
  const services: Draft[] = [];
  for (const section of new Set(entries.map((each) => each.section))) {
    const own = entries.filter((each) => each.section === section);
    const [, kind = "", name = ""] = /^(program|fcgi-program):(.+)$/.exec(section) ?? [];
    if (kind === "") reportSection(section, own, notes);
    else {
      const service = serviceName(name.trim(), names);
      names.add(service);
      services.push(new Program(parsed, name.trim(), service, own, notes).draft());
    }
  }
  const shared = entries.find(
    ({ section, key }) => section === "supervisord" && key === "environment",
  );
  const env = shared === undefined ? {} : readVariables(shared.value, (text) => text);
  return {
    tool: "supervisord",
    file: parsed.file,
    app: Object.keys(env).length === 0 ? {} : { env },
    services,
    notes: notes.list,
  };
}

function readAll(parsed: Parsed, file: string, text: string): readonly Entry[] {
  const { entries, problems } = readIni(text, "supervisord");
  const [problem] = problems;
  if (problem !== undefined) {
    const message = `This line is ${quoted(problem.text)}; a line is [SECTION] or KEY=VALUE.`;
    throw configError([{ file, line: problem.line, path: "", message }], parsed.directory);
  }
  const own = entries.map((each) => ({ ...each, file }));
  const included = entries
    .filter(({ section, key }) => section === "include" && key === "files")
    .flatMap(({ value }) => value.split(/\s+/))
    .map((pattern) => pattern.replaceAll("%(here)s", dirname(file)))
    .flatMap((pattern) => globSync(pattern, { cwd: dirname(file) }).toSorted())
    .map((each) => resolve(dirname(file), each));
  // An included file includes no further files.
  return [
    ...own,
    ...included.flatMap((each) =>
      readIni(readFileSync(each, "utf8"), "supervisord").entries.map((entry) => ({
        ...entry,
        file: each,
      })),
    ),
  ];
}

function reportSection(section: string, entries: readonly Entry[], notes: Notes): void {
  const kind = section.split(":")[0] ?? "";
  if (kind === "include") return;
  const [first] = entries;
  const at = {
    file: first?.file ?? "",
    line: first === undefined ? undefined : first.line - 1,
    key: `[${section}]`,
  };
  const needless = SUPERVISORD_SECTIONS[kind];
  if (needless !== undefined) notes.needless(at, needless);
  else
    notes.dropped(
      at,
      kind === "group"
        ? "newel has no groups: a pattern names several services, `newel restart 'web*'`"
        : kind === "eventlistener"
          ? "newel sends no events to programs: `newel events` prints them"
          : "newel has nothing like it",
    );
}

class Program {
  readonly #parsed: Parsed;
  readonly #name: string;
  readonly #service: string;
  readonly #entries: readonly Entry[];
  readonly #notes: Notes;
  #portRange: string | undefined;

  constructor(
    parsed: Parsed,
    name: string,
    service: string,
    entries: readonly Entry[],
    notes: Notes,
  ) {
    this.#parsed = parsed;
    this.#name = name;
    this.#service = service;
    this.#entries = entries;
    this.#notes = notes;
  }

  draft(): Draft {
    this.#report();
    const directory = this.#text("directory");
    const replicas = integer(this.#text("numprocs"));
    const autorestart = this.#text("autorestart") ?? "unexpected";
    const policy =
      boolean(autorestart) === true
        ? undefined
        : boolean(autorestart) === false
          ? "never"
          : "on-failure";
    const retries = integer(this.#text("startretries"));
    const cwd = resolve(this.#parsed.directory, directory ?? ".");
    const command = this.#command();
    const env = this.#environment();
    const settings: Settings = {
      ...command,
      cwd: nearPath(this.#parsed.directory, cwd),
      listen: this.#socket() ?? usualListen(command, env, cwd, this.#parsed),
      replicas: replicas === 1 ? undefined : replicas,
      env,
      ready: this.#ready(),
      stop: this.#stop(),
      restart:
        retries === undefined || retries < 1 || policy === "never"
          ? policy
          : { ...(policy === undefined ? {} : { policy }), max: retries },
      logs: this.#logs(),
      umask: this.#text("umask"),
      ...this.#identity(),
      portRange: this.#portRange,
      enabled: boolean(this.#text("autostart") ?? "true") === false ? false : undefined,
    };
    return { name: this.#service, line: this.#entries[0]?.line, settings };
  }

  #report(): void {
    for (const { key, file, line } of this.#entries) {
      const at = { file, line, service: this.#service, key };
      if (Object.hasOwn(SUPERVISORD_NEEDLESS, key))
        this.#notes.needless(at, SUPERVISORD_NEEDLESS[key] ?? "");
      else if (Object.hasOwn(SUPERVISORD_DROPPED, key))
        this.#notes.dropped(at, SUPERVISORD_DROPPED[key] ?? "");
      else if (!SUPERVISORD_CARRIED.has(key)) this.#notes.dropped(at, "newel has nothing like it");
    }
    const codes = this.#entry("exitcodes");
    if (codes !== undefined && codes.value.trim() !== "0")
      this.#notes.dropped(
        { ...this.#at(codes), key: "exitcodes" },
        'restart: "on-failure" knows exit code 0 alone',
      );
  }

  #at({ file, line }: Entry): { file: string; line: number; service: string } {
    return { file, line, service: this.#service };
  }

  #entry(key: string): Entry | undefined {
    return this.#entries.findLast((each) => each.key === key);
  }

  /** A value with its `%(…)s`. Variables of the environment have their present value. */
  #text(key: string): string | undefined {
    const entry = this.#entry(key);
    return entry === undefined ? undefined : this.#expand(entry, entry.value);
  }

  #expand(entry: Entry, value: string): string {
    const first = integer(this.#entry("numprocs_start")?.value) ?? 0;
    return this.#numberPorts(value, first).replaceAll(
      /%\((\w+)\)(0\d*)?[sd]|%%/g,
      (whole, name: string | undefined, width: string | undefined) => {
        if (whole === "%%") return "%";
        if (name === "here") return dirname(entry.file);
        if (name === "program_name") return this.#name;
        if (name === "group_name") return this.#name;
        if (name === "process_num") {
          if (first !== 1 || width !== undefined)
            this.#notes.remark(
              { ...this.#at(entry), key: entry.key },
              `$(replica) stands for ${whole}: it counts from 1, without leading zeros.`,
            );
          return "$(replica)";
        }
        if (name?.startsWith("ENV_") === true) return this.#parsed.environment[name.slice(4)] ?? "";
        this.#notes.dropped(
          { ...this.#at(entry), key: entry.key },
          `newel has nothing like ${whole}`,
        );
        return "";
      },
    );
  }

  /** `--port=80%(process_num)02d` is a port for each process: newel's portRange and $(port). */
  #numberPorts(value: string, start: number): string {
    const count = integer(this.#entry("numprocs")?.value) ?? 1;
    return value.replaceAll(
      /(?<!\d)(\d{1,4})%\(process_num\)(?:0(\d))?d(?!\d)/g,
      (whole, prefix: string, width = "0") => {
        const first = Number(prefix + String(start).padStart(Number(width), "0"));
        if (first < 1024 || first + count > 65_535) return whole;
        this.#portRange = `${first}-${first + count - 1}`;
        return "$(port)";
      },
    );
  }

  #command(): Settings {
    const entry = this.#entry("command");
    if (entry === undefined) {
      const [first] = this.#entries;
      const at = first === undefined ? { service: this.#service } : this.#at(first);
      this.#notes.dropped({ ...at, key: "command" }, "the program has none, so write node or run");
      return {};
    }
    if (/%\(ENV_\w+\)s/.test(entry.value)) {
      // The shell reads the variable when the program starts.
      const line = this.#expand(
        entry,
        entry.value.replaceAll(/%\(ENV_(\w+)\)s/g, "${$1}"),
      ).replaceAll("\n", " ");
      const variables = [...entry.value.matchAll(/%\(ENV_(\w+)\)s/g)].map(([, name = ""]) => name);
      return { run: line, passEnv: [...new Set(variables)] };
    }
    // supervisord starts programs without a shell.
    return commandSettings(
      splitShell(this.#expand(entry, entry.value).replaceAll("\n", " ")).words,
    );
  }

  #environment(): Setting {
    const entry = this.#entry("environment");
    if (entry === undefined) return undefined;
    const found = readVariables(entry.value, (text) => text);
    const values = Object.entries(found).map(([name, value]): [string, Setting] => {
      const variable = /^%\(ENV_(\w+)\)s$/.exec(value)?.[1];
      if (variable !== undefined)
        return [name, new Code(`process.env.${variable}`, this.#parsed.environment[variable])];
      return [name, this.#expand(entry, value)];
    });
    return values.length === 0 ? undefined : Object.fromEntries(values);
  }

  #socket(): Setting {
    const socket = this.#text("socket");
    if (socket === undefined) return undefined;
    const [, path] = /^unix:\/\/(.+)$/.exec(socket) ?? [];
    if (path !== undefined) return path;
    const [, host = "", port = ""] = /^tcp:\/\/(.*):(\d+)$/.exec(socket) ?? [];
    return host === "" || host === "localhost" ? `127.0.0.1:${port}` : `${host}:${port}`;
  }

  #ready(): Setting {
    const seconds = integer(this.#text("startsecs"));
    // One second is the default of both.
    return seconds === undefined || seconds === 1 ? undefined : { after: duration(seconds * 1000) };
  }

  #identity(): Settings {
    const entry = this.#entry("user");
    const user = account(this.#text("user"));
    if (entry === undefined || user === undefined) return {};
    return grantedSettings(
      [{ settings: { user }, at: { ...this.#at(entry), key: "user" } }],
      this.#notes,
    );
  }

  #stop(): Setting {
    const signal = this.#text("stopsignal")?.trim().toUpperCase();
    const seconds = integer(this.#text("stopwaitsecs"));
    const group = boolean(this.#text("stopasgroup") ?? "false") === true;
    const stop = {
      ...(signal === undefined || /^(?:SIG)?TERM$/.test(signal)
        ? {}
        : { signal: signal.startsWith("SIG") ? signal : `SIG${signal}` }),
      ...(seconds === undefined || seconds === 10 ? {} : { grace: duration(seconds * 1000) }),
      ...(group ? { scope: "group" } : {}),
    };
    return Object.keys(stop).length === 0 ? undefined : stop;
  }

  #logs(): Setting {
    const size = sizeOf(this.#text("stdout_logfile_maxbytes"));
    const logs = {
      ...(boolean(this.#text("redirect_stderr") ?? "false") === true ? { stderr: "stdout" } : {}),
      ...(size === undefined ? {} : { bufsize: size }),
    };
    return Object.keys(logs).length === 0 ? undefined : logs;
  }
}

/** `50MB` counts in powers of 1024; 0 is no limit. */
function sizeOf(text: string | undefined): string | undefined {
  const [, digits, unit = ""] = /^(\d+)\s*([KMG]?)B?$/i.exec(text?.trim() ?? "") ?? [];
  const amount = Number(digits ?? 0);
  if (amount === 0) return undefined;
  const units: Readonly<Record<string, string>> = { "": "B", K: "KiB", M: "MiB", G: "GiB" };
  return unit === "" && amount < 65_536
    ? undefined
    : `${amount}${units[unit.toUpperCase()] ?? "B"}`;
}

/** `A="1",B='x,y',C=z` */
function readVariables(text: string, expand: (text: string) => string): Record<string, string> {
  const pattern = /([A-Za-z_]\w*)\s*=\s*("(?:[^"\\]|\\.)*"|'[^']*'|[^,\n]*)/g;
  const entries = [...text.matchAll(pattern)].map(([, name = "", raw = ""]) => {
    const value = raw.trim();
    const quoted = /^(["'])([^]*)\1$/.exec(value)?.[2];
    return [name, expand(quoted ?? value)] as const;
  });
  return Object.fromEntries(entries);
}
