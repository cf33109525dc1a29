import { existsSync } from "node:fs";
import { join } from "node:path";

import { configError, quoted } from "../config/problems.ts";
import { type Draft, Environment, Notes, serviceName, type Translation } from "./draft.ts";
import { commandSettings, listenPort, portNumber, readProgram } from "./node-program.ts";
import type { Parsed } from "./parsed.ts";
import { passedVariables } from "./pm2-environment.ts";
import { readEnvFiles } from "../config/environment.ts";

/** The port of the first process type; foreman adds 100 for each further one. */
const FIRST_PORT = 5000;
const PORT_STEP = 100;

interface Line {
  readonly name: string;
  readonly command: string;
  readonly line: number;
}

/**
 * Reads a Procfile: `NAME: COMMAND` in each line. As under foreman, each process has PORT, and the variables of `.env`. A
 * process named `release` runs once, before the others.
 *
 * @throws NEWEL_E_CONFIG for a line of another form
 */
export function translateProcfile(parsed: Parsed): Translation {
  const notes = new Notes();
  const lines = readLines(parsed);
  const hasRelease = lines.some(({ name }) => name === "release");
  const names = new Set<string>();
  const first = firstPort(parsed);
  // `web` has PORT itself, as on Heroku; the others have the next ones.
  const order = lines
    .filter((each) => each.name !== "release")
    .toSorted((a, b) => Number(b.name === "web") - Number(a.name === "web"));
  const services = lines.map((each) => {
    const service = serviceName(each.name, names);
    names.add(service);
    if (each.name === "release") {
      notes.remark(
        { line: each.line, service, key: "" },
        "runs once and before the others, as at a release of Heroku.",
      );
      return {
        name: service,
        line: each.line,
        settings: { ...commandSettings(each.command), restart: "never" },
      };
    }
    return translateLine(each, {
      parsed,
      service,
      hasRelease,
      port: first + order.indexOf(each) * PORT_STEP,
    });
  });
  return {
    tool: "Procfile",
    file: parsed.file,
    app: existsSync(join(parsed.directory, ".env")) ? { envFile: ".env" } : {},
    services,
    notes: notes.list,
  };
}

function readLines({ text, file, directory }: Parsed): readonly Line[] {
  return text.split(/\r?\n/).flatMap((content, index) => {
    if (/^\s*(?:#.*)?$/.test(content)) return [];
    const [, name, command] = /^\s*([\w.-]+)\s*:\s*(\S.*)$/.exec(content) ?? [];
    if (name !== undefined && command !== undefined) return [{ name, command, line: index + 1 }];
    const message = `This line is ${quoted(content.trim())}; a line of a Procfile is NAME: COMMAND.`;
    throw configError([{ file, line: index + 1, path: "", message }], directory);
  });
}

/** PORT of `.env`, of the caller, or 5000. */
function firstPort({ directory, environment }: Parsed): number {
  const { variables } = readEnvFiles(".env?", directory, []);
  return portNumber(variables["PORT"]) ?? portNumber(environment["PORT"]) ?? FIRST_PORT;
}

function translateLine(
  { name, command, line }: Line,
  given: {
    readonly parsed: Parsed;
    readonly service: string;
    readonly hasRelease: boolean;
    readonly port: number;
  },
): Draft {
  const { parsed, service, hasRelease, port } = given;
  const program = readProgram(command, parsed.directory, parsed.environment["PATH"]);
  const names = /\$\{?PORT\b/.test(command);
  const { source } = program;
  const isWeb = name === "web" || names || source?.readsPort === true;
  const listen = isWeb ? listenPort(program, port) : undefined;
  // A program that is not a Node.js program binds $PORT itself, so it is ready when it accepts a connection.
  const ready = listen === undefined && names ? { tcp: `127.0.0.1:${port}` } : undefined;
  const passEnv = passedVariables(program, new Environment({ PORT: port }, new Map()), undefined);
  return {
    name: service,
    line,
    settings: {
      ...commandSettings(command),
      listen,
      env: isWeb ? { PORT: port } : undefined,
      passEnv: passEnv.length === 0 ? undefined : passEnv,
      dependsOn: hasRelease ? { release: "completed" } : undefined,
      ready,
    },
  };
}
