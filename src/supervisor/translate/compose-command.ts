import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { isRecord } from "../config/leaves.ts";
import { findProgram } from "../config/programs.ts";
import type { Mapping } from "./compose-ports.ts";
import type { Setting, Settings } from "./draft.ts";
import { interpolated } from "./interpolate.ts";
import { commandSettings } from "./node-program.ts";
import { list, scalar } from "./parsed.ts";
import { splitShell } from "./shell-words.ts";

/** Images that contain a language alone: their command is a program of the project. */
const LANGUAGES =
  /^(?:docker\.io\/)?(?:library\/)?(?:node|python|ruby|golang|php|oven\/bun|denoland\/deno|openjdk|eclipse-temurin|rust|elixir)(?::|$)/;

const DOCKER_SOCKET = "/var/run/docker.sock";

interface Given {
  readonly value: Readonly<Record<string, unknown>>;
  readonly variables: NodeJS.ProcessEnv;
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly ports: readonly Mapping[];
  /** The variables that a container gets. */
  readonly names: readonly string[];
  readonly note: (kind: "dropped" | "needless" | "remark", key: string, reason: string) => void;
}

interface Found {
  readonly settings: Settings;
  readonly words: string | readonly string[];
  readonly cwd: string;
  readonly isContainer: boolean;
  readonly enabled?: Setting;
}

/** The command of a service of compose: a program of this machine, or `docker run` of an image. */
export class ComposeCommand {
  readonly #given: Given;

  constructor(given: Given) {
    this.#given = given;
  }

  read(): Found {
    const { value, directory, note } = this.#given;
    const image = scalar(value["image"]);
    const own = this.#own();
    if (
      value["build"] === undefined &&
      image !== undefined &&
      (!LANGUAGES.test(image) || own === undefined)
    )
      return this.#container(image);
    const build = value["build"];
    const context = resolve(directory, scalar(isRecord(build) ? build["context"] : build) ?? ".");
    const cwd = this.#workingDirectory(context);
    if (image !== undefined && build === undefined)
      note("remark", "image", "is not needed: its command runs as a program of this machine.");
    const command = own ?? this.#ofDockerfile(context, build);
    if (command === undefined) {
      note(
        "dropped",
        "build",
        "its Dockerfile has no CMD that newel can read, so write node or run",
      );
      return { settings: {}, words: [], cwd, isContainer: false };
    }
    const settings = commandSettings(command);
    const { run } = settings;
    return { settings, words: typeof run === "string" ? run : command, cwd, isContainer: false };
  }

  /** `entrypoint` and `command`. Compose splits a text into words; it starts no shell. */
  #own(): string | readonly string[] | undefined {
    const { value, variables } = this.#given;
    const words = (each: unknown): readonly string[] =>
      (typeof each === "string" ? splitShell(each.replaceAll("$$", "$")).words : list(each)).map(
        (word) => interpolated(word, variables),
      );
    const all = [...words(value["entrypoint"]), ...words(value["command"])];
    if (all.length === 0) return undefined;
    return all;
  }

  /** The directory of this machine for `working_dir`, by the volumes that contain it; else that of the build. */
  #workingDirectory(context: string): string {
    const { value, directory, note } = this.#given;
    const wanted = scalar(value["working_dir"]);
    if (wanted === undefined) return context;
    for (const volume of list(value["volumes"])) {
      const [host = "", inside = ""] = volume.split(":");
      if (!/^[./~]/.test(host) || inside === "" || !`${wanted}/`.startsWith(`${inside}/`)) continue;
      return resolve(directory, host, `.${wanted.slice(inside.length)}`);
    }
    if (!wanted.startsWith("/")) return resolve(context, wanted);
    note(
      "remark",
      "working_dir",
      "is a directory of the container: the directory of the build stands for it.",
    );
    return context;
  }

  #ofDockerfile(context: string, build: unknown): string | readonly string[] | undefined {
    const name = (isRecord(build) ? scalar(build["dockerfile"]) : undefined) ?? "Dockerfile";
    const file = join(context, name);
    if (!existsSync(file)) return undefined;
    const lines = readFileSync(file, "utf8")
      .replaceAll(/\\\r?\n/g, " ")
      .split(/\r?\n/);
    const last = (instruction: string): string | readonly string[] | undefined => {
      const line = lines.findLast((each) => new RegExp(`^\\s*${instruction}\\s`, "i").test(each));
      return line === undefined
        ? undefined
        : instructionValue(line.trim().slice(instruction.length).trim());
    };
    const entrypoint = last("ENTRYPOINT");
    const command = last("CMD");
    if (entrypoint === undefined) return command;
    if (typeof entrypoint === "string") return entrypoint;
    return [
      ...entrypoint,
      ...(typeof command === "string" ? splitShell(command).words : (command ?? [])),
    ];
  }

  #container(image: string): Found {
    const { value, variables, directory, environment, ports, names, note } = this.#given;
    const published = ports.flatMap(({ host, published: port, target }) => [
      "-p",
      `${host === undefined ? "" : `${host}:`}${port}:${target}`,
    ]);
    const mounted = list(value["volumes"]).flatMap((volume) => [
      "-v",
      interpolated(volume, variables),
    ]);
    const user = scalar(value["user"]);
    const directoryOf = scalar(value["working_dir"]);
    const [entrypoint, ...rest] = list(
      typeof value["entrypoint"] === "string"
        ? splitShell(value["entrypoint"]).words
        : value["entrypoint"],
    );
    const command =
      typeof value["command"] === "string"
        ? splitShell(value["command"]).words
        : list(value["command"]);
    const run = [
      "docker",
      "run",
      "--rm",
      "--init",
      ...published,
      ...names.flatMap((name) => ["-e", name]),
      ...mounted,
      ...(user === undefined ? [] : ["--user", user]),
      ...(directoryOf === undefined ? [] : ["-w", directoryOf]),
      ...(entrypoint === undefined ? [] : ["--entrypoint", entrypoint]),
      interpolated(image, variables),
      ...[...rest, ...command].map((word) => interpolated(word, variables)),
    ];
    const hasDocker =
      findProgram("docker", environment["PATH"], directory) !== undefined &&
      (environment["DOCKER_HOST"] !== undefined || existsSync(DOCKER_SOCKET));
    note(
      "remark",
      "image",
      hasDocker
        ? "runs by `docker run`: newel starts programs, not images."
        : "is not enabled, because no Docker runs here: start the program of the image in run, or start Docker, and remove enabled.",
    );
    const found = { settings: { run }, words: run, cwd: directory, isContainer: true };
    return hasDocker ? found : { ...found, enabled: false };
  }
}

function instructionValue(text: string): string | readonly string[] {
  if (!text.startsWith("[")) return text;
  try {
    const parsed: unknown = JSON.parse(text);
    return list(parsed);
  } catch (error) {
    // Docker too takes what is no JSON as a line for the shell.
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}
