import { isRecord } from "../config/leaves.ts";
import { quoted } from "../config/problems.ts";
import { type Draft, Environment, Notes, serviceName, type Translation } from "./draft.ts";
import { commandSettings, listenPort, readProgram } from "./node-program.ts";
import { type Parsed, scalar } from "./parsed.ts";
import { passedVariables } from "./pm2-environment.ts";

/** Names of scripts that run a service. */
const SERVICE =
  /^(?:start|serve|server|worker|web|api|production|prod)(?:[:_-][\w:-]+)?$|^[\w-]+:(?:start|serve|worker)$/;
/** Names of scripts for development and checks. */
const OTHER =
  /(?:^|[:_-])(?:dev|development|debug|watch|test|e2e|ci|build|docker|hmr|local|inspect|mock)(?:$|[:_-])/;

/** Reads the scripts of a package.json: those that start a server or a worker become services. */
export function translatePackage(parsed: Parsed): Translation {
  const notes = new Notes();
  const top = isRecord(parsed.value) ? parsed.value : {};
  const given = isRecord(top["scripts"]) ? top["scripts"] : {};
  const scripts = Object.entries(given).flatMap(([name, value]) => {
    const line = scalar(value);
    return line === undefined ? [] : [[name, line] as const];
  });
  const all = scripts.map(([name]) => name);
  const chosen = choose(all);
  const names = new Set<string>();
  const services: Draft[] = [];
  for (const [name, line] of scripts) {
    const at = { line: parsed.lineOf(["scripts", name]), key: `scripts.${name}` };
    if (chosen.includes(name)) {
      const service = serviceName(wantedName(name), names);
      names.add(service);
      const hooks = [`pre${name}`, `post${name}`].filter((each) => Object.hasOwn(given, each));
      services.push(draftOf(parsed, { name, line, service, isHooked: hooks.length > 0 }));
    } else if ((SERVICE.test(name) || name === "dev") && !isHook(name, all))
      notes.dropped(
        at,
        "it is another way to start the same program; name it in run if it is a service of its own",
      );
  }
  if (services.length === 0)
    notes.remark(
      { key: "scripts", line: parsed.lineOf(["scripts"]) },
      `has no script that starts a server: ${quoted("start")} is one.`,
    );
  return { tool: "package.json", file: parsed.file, app: {}, services, notes: notes.list };
}

/** Whether npm runs a script before or after another one. */
function isHook(name: string, names: readonly string[]): boolean {
  return /^(?:pre|post)/.test(name) && names.includes(name.replace(/^(?:pre|post)/, ""));
}

/** Chooses the scripts that are services. If both `start` and `start:prod` exist, only `start:prod` is one. */
function choose(names: readonly string[]): readonly string[] {
  const all = names.filter(
    (name) => SERVICE.test(name) && !OTHER.test(name) && !isHook(name, names),
  );
  const production = all.filter((name) => /^(?:start|serve)[:_-]prod(?:uction)?$/.test(name));
  const kept =
    production.length === 0 ? all : all.filter((name) => name !== "start" && name !== "serve");
  // `start` and `serve` are two words for the same.
  const both = kept.includes("start")
    ? kept.filter((name) => name !== "serve" && name !== "server")
    : kept;
  if (both.length > 0) return both;
  return names.includes("dev") ? ["dev"] : [];
}

function wantedName(name: string): string {
  const rest = name.replace(/^(?:start|serve)[:_-]/, "").replace(/:(?:start|serve|worker)$/, "");
  return /^(?:start|serve|server|dev|prod|production|web)$/.test(rest) ? "web" : rest;
}

function draftOf(
  parsed: Parsed,
  script: {
    readonly name: string;
    readonly line: string;
    readonly service: string;
    readonly isHooked: boolean;
  },
): Draft {
  const { name, line, service, isHooked } = script;
  const program = readProgram(line, parsed.directory, parsed.environment["PATH"]);
  const passEnv = passedVariables(program, new Environment({}, new Map()), undefined);
  return {
    name: service,
    line: parsed.lineOf(["scripts", name]),
    settings: {
      // npm runs the scripts before and after it too.
      ...(isHooked
        ? { run: name === "start" ? "npm start" : `npm run ${name}` }
        : commandSettings(line)),
      listen: listenPort(program, undefined),
      passEnv: passEnv.length === 0 ? undefined : passEnv,
    },
  };
}
