import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";

import { readEnvFiles } from "../config/environment.ts";
import { isRecord } from "../config/leaves.ts";
import { type Key, quoted } from "../config/problems.ts";
import { ComposeCommand } from "./compose-command.ts";
import { COMPOSE_CARRIED, COMPOSE_DROPPED, COMPOSE_NEEDLESS, COMPOSE_TOP } from "./compose-keys.ts";
import { type Mapping, portsOf } from "./compose-ports.ts";
import {
  Code,
  type Draft,
  duration,
  Notes,
  serviceNames,
  type Setting,
  type Settings,
  type Translation,
} from "./draft.ts";
import { grantedSettings } from "./identity.ts";
import { goDuration, probeOf } from "./health.ts";
import { expression, hasVariable, interpolated } from "./interpolate.ts";
import { portNumber, readProgram } from "./node-program.ts";
import { boolean, integer, list, nearPath, type Parsed, scalar } from "./parsed.ts";

/** Facts of a compose file that its services share. */
interface File {
  readonly parsed: Parsed;
  readonly notes: Notes;
  /** Variables for `${…}`: of the caller, before those of .env. */
  readonly variables: NodeJS.ProcessEnv;
  /** Names of services in newel, by their names in compose. */
  readonly names: ReadonlyMap<string, string>;
  readonly services: Readonly<Record<string, unknown>>;
}

/** Reads a compose.yaml. Services are programs of this machine; an image without one is started by `docker run`. */
export function translateCompose(parsed: Parsed): Translation {
  const notes = new Notes();
  const top = isRecord(parsed.value) ? parsed.value : {};
  const services = isRecord(top["services"]) ? top["services"] : {};
  const names = serviceNames(Object.keys(services));
  const dotenv = join(parsed.directory, ".env");
  const { variables } = readEnvFiles(".env?", parsed.directory, []);
  const file: File = {
    parsed,
    notes,
    names,
    services,
    variables: { ...variables, ...parsed.environment },
  };
  for (const key of Object.keys(top)) {
    const at = { line: parsed.lineOf([key]), key };
    if (key === "version") notes.needless(at, "newel reads no version of a file format");
    else if (!["services", "name"].includes(key) && !key.startsWith("x-"))
      notes.dropped(at, COMPOSE_TOP[key] ?? "newel has nothing like it");
  }
  const drafts = Object.keys(services).map((name) => new Service(file, name).draft());
  const reads = hasVariable(JSON.stringify(services)) && existsSync(dotenv);
  const name = scalar(top["name"]);
  return {
    tool: "compose",
    file: parsed.file,
    app: name === undefined ? {} : { name: interpolated(name, file.variables) },
    services: drafts,
    notes: notes.list,
    ...(reads ? { before: ['process.loadEnvFile(".env"); // compose reads it for ${…}'] } : {}),
  };
}

class Service {
  readonly #file: File;
  readonly #name: string;
  readonly #service: string;
  readonly #value: Readonly<Record<string, unknown>>;

  constructor(file: File, name: string) {
    this.#file = file;
    this.#name = name;
    this.#service = file.names.get(name) ?? name;
    const value = file.services[name];
    this.#value = isRecord(value) ? value : {};
  }

  draft(): Draft {
    const { parsed, variables, notes } = this.#file;
    const value = this.#value;
    this.#report();
    const env = this.#environment();
    const ports = portsOf(value["ports"], variables);
    const command = new ComposeCommand({
      value,
      variables,
      directory: parsed.directory,
      environment: parsed.environment,
      ports: [...ports, ...this.#reached(ports)],
      names: [...Object.keys(env.values), ...env.passed],
      note: (kind, key, reason) => notes[kind](this.#at(key), reason),
    }).read();
    const words = command.words;
    const program = readProgram(words, command.cwd, parsed.environment["PATH"]);
    const [port] = command.isContainer ? [] : ports;
    const listen = port === undefined ? undefined : this.#listen(port, program.isNode, env.values);
    return {
      name: this.#service,
      line: parsed.lineOf(this.#keys()),
      settings: {
        ...command.settings,
        cwd: nearPath(parsed.directory, command.cwd),
        listen,
        replicas: this.#replicas(),
        envFile: this.#envFile(),
        env: Object.keys(env.values).length === 0 ? undefined : env.values,
        passEnv: env.passed.length === 0 ? undefined : env.passed,
        dependsOn: this.#dependsOn(),
        ready: this.#ready(listen, port ?? ports[0]),
        stop: this.#stop(),
        restart: this.#restart(),
        watch: command.isContainer ? undefined : this.#watch(command.cwd),
        ...(command.isContainer ? {} : this.#limits()),
        enabled: this.#enabled() ?? command.enabled,
      },
    };
  }

  #keys(...keys: Key[]): Key[] {
    return ["services", this.#name, ...keys];
  }

  #at(key: string): { line: number | undefined; service: string; key: string } {
    return { line: this.#file.parsed.lineOf(this.#keys(key)), service: this.#service, key };
  }

  #report(): void {
    const { notes } = this.#file;
    for (const key of Object.keys(this.#value)) {
      if (COMPOSE_CARRIED.has(key) || key.startsWith("x-")) continue;
      const isRun = this.#value["build"] === undefined && ["volumes", "user"].includes(key);
      if (isRun) continue;
      if (Object.hasOwn(COMPOSE_NEEDLESS, key))
        notes.needless(this.#at(key), COMPOSE_NEEDLESS[key] ?? "");
      else notes.dropped(this.#at(key), COMPOSE_DROPPED[key] ?? "newel has nothing like it");
    }
  }

  #environment(): { values: Record<string, Setting>; passed: string[] } {
    const given = this.#value["environment"];
    const pairs: (readonly [string, string | undefined])[] = isRecord(given)
      ? Object.entries(given).map(([name, value]) => [name, scalar(value)])
      : list(given).map((text) => {
          const at = text.indexOf("=");
          return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
        });
    const values: Record<string, Setting> = {};
    const passed: string[] = [];
    for (const [name, text] of pairs) {
      if (text === undefined) passed.push(name);
      else values[name] = expression(this.#local(name, text), this.#file.variables);
    }
    return { values, passed };
  }

  /** Other services are no hosts here: their names become 127.0.0.1. */
  #local(variable: string, text: string): string {
    let changed = text;
    for (const other of this.#file.names.keys()) {
      if (other === this.#name) continue;
      const host = other.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
      const pattern = new RegExp(`(^|//|@|,|-)(${host})(?::(\\d+))?(?=$|[/:,?])`, "g");
      changed = changed.replaceAll(
        pattern,
        (whole, before: string, _name: string, port: string | undefined) => {
          if (before === "-" && !text.includes(`:-${other}`)) return whole;
          return `${before}127.0.0.1${port === undefined ? "" : `:${this.#published(other, Number(port))}`}`;
        },
      );
    }
    if (changed !== text)
      this.#file.notes.remark(
        { ...this.#at("environment"), key: `environment.${variable}` },
        "names a service as a host, which is 127.0.0.1 here.",
      );
    return changed;
  }

  #published(other: string, port: number): number {
    const value = this.#file.services[other];
    const isImage = isRecord(value) && value["build"] === undefined;
    const ports = isRecord(value) ? portsOf(value["ports"], this.#file.variables) : [];
    return isImage ? (ports.find(({ target }) => target === port)?.published ?? port) : port;
  }

  /** Ports of this service that others name in their variables, and that it does not publish: on loopback. */
  #reached(published: readonly Mapping[]): readonly Mapping[] {
    const { services } = this.#file;
    const others = Object.entries(services).filter(([name]) => name !== this.#name);
    const texts = others.flatMap(([, value]) =>
      isRecord(value) ? JSON.stringify(value["environment"] ?? "") : "",
    );
    const host = this.#name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
    const found = texts.flatMap((text) =>
      [...text.matchAll(new RegExp(`\\b${host}:(\\d+)`, "g"))].map(([, port]) => Number(port)),
    );
    return [...new Set(found)]
      .filter((port) => !published.some(({ target }) => target === port))
      .map((port) => ({ target: port, published: port, host: "127.0.0.1" }));
  }

  #listen(mapping: Mapping, isNode: boolean, env: Record<string, Setting>): Setting {
    const { target, published, host } = mapping;
    const own = env["PORT"];
    const given = own instanceof Code ? own.value : own;
    let port = target;
    if (portNumber(given) === target && published !== target) {
      env["PORT"] = published;
      port = published;
    } else if (published !== target)
      this.#file.notes.remark(
        this.#at("ports"),
        `newel maps no ports: the service is reached on ${target}, not on ${published}.`,
      );
    if (!isNode) return undefined;
    return host === undefined ? port : `${host}:${port}`;
  }

  #replicas(): Setting {
    const deploy = this.#value["deploy"];
    const number =
      integer(this.#value["scale"]) ?? (isRecord(deploy) ? integer(deploy["replicas"]) : undefined);
    return number === 1 ? undefined : number;
  }

  #envFile(): Setting {
    const given = this.#value["env_file"];
    const files = (
      Array.isArray(given) ? given : given === undefined ? [] : [given]
    ) as readonly unknown[];
    const paths = files.flatMap((each) => {
      if (!isRecord(each)) return scalar(each) ?? [];
      return `${scalar(each["path"]) ?? ""}${boolean(each["required"]) === false ? "?" : ""}`;
    });
    return paths.length === 0 ? undefined : paths.length === 1 ? paths[0] : paths;
  }

  #dependsOn(): Setting {
    const given = this.#value["depends_on"];
    const words: Readonly<Record<string, string>> = {
      service_started: "started",
      service_healthy: "ready",
      service_completed_successfully: "completed",
    };
    const entries = isRecord(given)
      ? Object.entries(given).map(
          ([name, value]) =>
            [name, isRecord(value) ? scalar(value["condition"]) : undefined] as const,
        )
      : list(given).map((name) => [name, undefined] as const);
    const known = entries.flatMap(([name, condition]) => {
      const service = this.#file.names.get(name);
      return service === undefined
        ? []
        : [[service, words[condition ?? "service_started"] ?? "started"] as const];
    });
    return known.length === 0 ? undefined : Object.fromEntries(known);
  }

  #ready(listen: Setting, port: Mapping | undefined): Setting {
    const check = this.#value["healthcheck"];
    if (!isRecord(check) || boolean(check["disable"]) === true)
      // Node.js programs report their socket; of another one only the port is known.
      return listen === undefined && port !== undefined && this.#value["image"] === undefined
        ? { tcp: `127.0.0.1:${port.target}` }
        : undefined;
    const words = list(check["test"]);
    if (words[0] === "NONE") return undefined;
    const text = interpolated(words.join(" "), this.#file.variables);
    const isContainer = this.#value["build"] === undefined;
    const probe = probeOf(text, listen, (target) =>
      isContainer ? this.#published(this.#name, target) : target,
    );
    if (probe === undefined) {
      this.#file.notes.dropped(
        this.#at("healthcheck"),
        "its command is no request that newel makes: readiness is by http, tcp or log",
      );
      return undefined;
    }
    const start = goDuration(check["start_period"]);
    if (start === undefined) return probe;
    const rest = (integer(check["retries"]) ?? 3) * (goDuration(check["interval"]) ?? 30_000);
    return { ...probe, timeout: duration(start + rest) };
  }

  /** The paths of `develop.watch`, which count from the file, as paths below the service's directory. */
  #watch(cwd: string): Setting {
    const develop = this.#value["develop"];
    const rules: unknown = isRecord(develop) ? develop["watch"] : undefined;
    const paths = (Array.isArray(rules) ? rules : []).flatMap((rule: unknown) => {
      const path = isRecord(rule) ? scalar(rule["path"]) : undefined;
      return path === undefined ? [] : [relative(cwd, resolve(this.#file.parsed.directory, path))];
    });
    const below = [...new Set(paths)].filter((path) => !path.startsWith(".."));
    if (below.length === 0) return undefined;
    return below.includes("") ? true : { paths: below };
  }

  #limits(): Settings {
    const given = this.#value["ulimits"];
    const entries = isRecord(given) ? Object.entries(given) : [];
    return grantedSettings(
      entries.map(([name, value]) => {
        const hard = integer(isRecord(value) ? value["hard"] : value);
        const at = { ...this.#at("ulimits"), key: `ulimits.${name}` };
        if (name === "nofile" || name === "nproc")
          if (hard !== undefined) return { settings: { limits: { [name]: hard } }, at };
        this.#file.notes.dropped(
          at,
          "of ulimits newel reads nofile and nproc: write the others in limits",
        );
        return undefined;
      }),
      this.#file.notes,
    );
  }

  #stop(): Setting {
    const signal = scalar(this.#value["stop_signal"]);
    const grace = goDuration(this.#value["stop_grace_period"]);
    if (signal === undefined && grace === undefined) return undefined;
    return {
      ...(signal === undefined
        ? {}
        : { signal: signal.startsWith("SIG") ? signal : `SIG${signal}` }),
      ...(grace === undefined ? {} : { grace: duration(grace) }),
    };
  }

  /** Without `restart`, compose starts no container again. */
  #restart(): Setting {
    const { notes } = this.#file;
    const deploy = this.#value["deploy"];
    if (isRecord(deploy))
      for (const key of Object.keys(deploy))
        if (!["replicas", "restart_policy"].includes(key))
          notes.dropped(
            this.#at("deploy"),
            `of deploy newel has replicas and restart_policy, not ${quoted(key)}`,
          );
    const policy = isRecord(deploy) ? deploy["restart_policy"] : undefined;
    if (isRecord(policy)) {
      const condition = scalar(policy["condition"]) ?? "any";
      const max = integer(policy["max_attempts"]);
      const word =
        condition === "none" ? "never" : condition === "on-failure" ? "on-failure" : undefined;
      if (max === undefined || max < 1) return word;
      const window = goDuration(policy["window"]);
      return {
        ...(word && { policy: word }),
        max,
        ...(window === undefined ? {} : { within: duration(Math.max(1000, window)) }),
      };
    }
    const [word, attempts] = (scalar(this.#value["restart"]) ?? "no").split(":");
    if (word === "always" || word === "unless-stopped") return undefined;
    if (word !== "on-failure") return "never";
    const max = integer(attempts);
    return max === undefined || max < 1 ? "on-failure" : { policy: "on-failure", max };
  }

  #enabled(): Setting {
    const profiles = list(this.#value["profiles"]);
    if (profiles.length === 0) return undefined;
    this.#file.notes.remark(
      this.#at("profiles"),
      `runs where COMPOSE_PROFILES has ${profiles.join(" or ")}.`,
    );
    const active = (this.#file.variables["COMPOSE_PROFILES"] ?? "").split(",");
    return new Code(
      `${JSON.stringify(profiles)}.some((each) => (process.env.COMPOSE_PROFILES ?? "").split(",").includes(each))`,
      profiles.some((each) => active.includes(each)),
    );
  }
}
