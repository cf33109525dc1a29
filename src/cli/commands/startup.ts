import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";

import { findHome } from "../../base/home.ts";
import { newelError, systemCode } from "../../base/errors.ts";
import { packageFile } from "../../base/version.ts";
import { usageError } from "../arguments.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";

const UNITS = ["newel-kernel", "newel-supervisor"] as const;
type UnitName = (typeof UNITS)[number];

/** The first line of a unit that this command wrote: no other file is replaced or removed. */
const MARK = "# Written by `newel startup`; `newel startup --remove` removes it.";

/** The directories that systemd searches for programs. */
const SYSTEMD_PATH = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

export const startup: Command = {
  name: "startup",
  summary: "Print or install the systemd units that start newel at boot",
  usage: "[--install | --remove] [--system | --user]",
  options: {
    install: { summary: "write the units, and print the commands that enable them" },
    remove: { summary: "remove units that --install wrote" },
    system: { summary: "units of the machine, in /etc/systemd/system (default for root)" },
    user: { summary: "units of one user, in ~/.config/systemd/user (default for other users)" },
  },
  examples: [
    { line: "newel startup", does: "print the units, change nothing" },
    { line: "newel startup --install", does: "write them" },
  ],
  notes: [
    "The units start the kernel and the supervisor, which start every app that was up. Where newel is not in a directory that systemd searches, they start the copy in the home, by the Node.js that runs this command: that copy is there after the first `newel up`. NEWEL_HOME is in the units when it is not the default. A unit that this command did not write is not touched.",
  ],
  async run(args, context) {
    const isSystem = chooseSystem(args);
    if (args.has("install") && args.has("remove"))
      throw usageError("--install and --remove are opposites: give one of them.");
    const directory = unitDirectory(isSystem, context);
    if (args.has("remove")) return remove(directory, isSystem, context);
    const units = UNITS.map((name) => ({ name, text: unitText(name, context) }));
    if (args.has("install")) return install(units, directory, isSystem, context);
    const { output } = context;
    if (output.json)
      output.printDocument(
        units.map(({ name, text }) => ({ path: pathOf(directory, name), text })),
      );
    else for (const { name, text } of units) output.print(`# ${pathOf(directory, name)}\n${text}`);
    output.say("Nothing was written: `newel startup --install` writes these files.");
    return EXIT.done;
  },
};

/** The directory of units that an administrator or a user writes. */
export function unitDirectory(isSystem: boolean, { environment }: Context): string {
  if (isSystem) return "/etc/systemd/system";
  return join(environment["HOME"] ?? homedir(), ".config/systemd/user");
}

/** Whether the directory has a unit for each daemon. */
export function isInstalled(directory: string): boolean {
  return UNITS.every((name) => existsSync(pathOf(directory, name)));
}

function chooseSystem(args: Arguments): boolean {
  if (args.has("system") && args.has("user"))
    throw usageError("--system and --user are opposites: give one of them.");
  return args.has("system") || (!args.has("user") && userInfo().uid === 0);
}

interface Unit {
  readonly name: UnitName;
  readonly text: string;
}

function unitText(name: UnitName, { environment }: Context): string {
  const source = readFileSync(packageFile(`systemd/${name}.service`), "utf8");
  const daemon = name === "newel-kernel" ? "kernel" : "supervisor";
  const home = findHome(environment);
  const isDefault = home.directory === defaultHome(environment);
  const lines = isOnPath("newel")
    ? []
    : [
        `ExecStart=${process.execPath} ${join(home.runtimeDirectory, `current/dist/${daemon}/main.js`)} --wait`,
      ];
  if (!isDefault) lines.push(`Environment=NEWEL_HOME=${home.directory}`);
  const text = lines.length === 0 ? source : withLines(source, lines);
  return `${MARK}\n${text}`;
}

/** The home without NEWEL_HOME. */
function defaultHome(environment: NodeJS.ProcessEnv): string {
  return findHome({ ...environment, NEWEL_HOME: "" }).directory;
}

function isOnPath(program: string): boolean {
  return SYSTEMD_PATH.some((directory) => existsSync(join(directory, program)));
}

/** Replaces the settings of a unit that the lines have, and adds the others to its service. */
function withLines(source: string, lines: readonly string[]): string {
  return lines.reduce((text, line) => {
    const key = line.slice(0, line.indexOf("=") + 1);
    const present = new RegExp(`^${key}.*$`, "m");
    if (key === "ExecStart=" && present.test(text)) return text.replace(present, () => line);
    return text.replace("[Service]\n", () => `[Service]\n${line}\n`);
  }, source);
}

function install(
  units: readonly Unit[],
  directory: string,
  isSystem: boolean,
  { output }: Context,
): ExitCode {
  for (const { name } of units) refuseForeign(pathOf(directory, name));
  try {
    mkdirSync(directory, { recursive: true });
    for (const { name, text } of units)
      writeFileSync(pathOf(directory, name), text, { mode: 0o644 });
  } catch (error) {
    throw notWritten(directory, error);
  }
  const systemctl = isSystem ? "systemctl" : "systemctl --user";
  const next = [
    `${systemctl} daemon-reload`,
    `${systemctl} enable --now ${UNITS.join(" ")}`,
    ...(isSystem ? [] : [`loginctl enable-linger ${userInfo().username}`]),
  ];
  const written = units.map(({ name }) => pathOf(directory, name));
  if (output.json) output.printDocument({ written, next });
  else {
    output.say(`Written: ${written.join(", ")}. Now run:`);
    for (const line of next) output.print(line);
  }
  return EXIT.done;
}

function remove(directory: string, isSystem: boolean, { output }: Context): ExitCode {
  const paths = UNITS.map((name) => pathOf(directory, name));
  for (const path of paths) refuseForeign(path);
  const removed = paths.filter((path) => existsSync(path));
  try {
    for (const path of removed) rmSync(path);
  } catch (error) {
    throw notWritten(directory, error);
  }
  const systemctl = isSystem ? "systemctl" : "systemctl --user";
  const next =
    removed.length === 0
      ? []
      : [`${systemctl} disable ${UNITS.join(" ")}`, `${systemctl} daemon-reload`];
  if (output.json) output.printDocument({ removed, next });
  else if (removed.length === 0) output.say(`There is no unit of newel in ${directory}.`);
  else {
    output.say(`Removed: ${removed.join(", ")}. The daemons run on. Now run:`);
    for (const line of next) output.print(line);
  }
  return EXIT.done;
}

/** A unit that was written or changed by hand stays as it is. */
function refuseForeign(path: string): void {
  if (!existsSync(path) || readFileSync(path, "utf8").startsWith(MARK)) return;
  throw newelError("NEWEL_E_STARTUP", {
    path,
    why: "the file was not written by `newel startup`: move it away first",
  });
}

function notWritten(path: string, error: unknown): Error {
  const code = systemCode(error);
  if (code === undefined) throw error;
  return newelError("NEWEL_E_STARTUP", { path, why: code }, error);
}

function pathOf(directory: string, name: UnitName): string {
  return join(directory, `${name}.service`);
}
