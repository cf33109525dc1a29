// A reader that follows a guide: writes its files, runs its command lines in an empty home, and
// compares their output with the block below them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { World } from "../cli/world.ts";
import {
  eventually,
  freePort,
  type Scope,
  startProcess,
  temporaryDirectory,
} from "../helpers/resources.ts";
import { type Block, blocksOf, type Followed, ROOT, type ShellLine, shellLines } from "./pages.ts";

const MAIN = join(ROOT, "src/cli/main.ts");

/** Lines that print until they are interrupted. */
const CONTINUES = /\blogs\b.* -f|--watch|\btail -f|\bnewel (?:events|run|dev)\b/;

/** Packages of this repository that a page may install. */
const INSTALL = /^npm install (?:--save-dev )?(.+)$/;

export class Reader {
  readonly world: World;
  readonly #scope: Scope;
  /** A directory for programs and output that the page does not know. */
  readonly #own: string;
  readonly #ports = new Map<string, string>();
  #output = "";
  #commands = 0;
  readonly #continuing: (() => Promise<void>)[] = [];

  private constructor(scope: Scope) {
    this.#scope = scope;
    this.world = new World(scope);
    this.#own = temporaryDirectory(scope);
  }

  /** Makes a reader that uses free ports in place of the ports of the page. */
  static async create(scope: Scope, ports: readonly number[]): Promise<Reader> {
    const reader = new Reader(scope);
    for (const port of ports) reader.#ports.set(String(port), String(await freePort()));
    reader.#putCommands();
    return reader;
  }

  /** Does the whole page. */
  static async follow(scope: Scope, page: string, { ports, notRun = [] }: Followed): Promise<void> {
    const reader = await Reader.create(scope, ports);
    const met = new Set<string>();
    const isLeft = (text: string): boolean => {
      const beginning = notRun.map(([each]) => each).find((each) => text.startsWith(each));
      if (beginning !== undefined) met.add(beginning);
      return beginning !== undefined;
    };
    for (const block of blocksOf(page)) await reader.#do(block, isLeft);
    await reader.end();
    const unmet = notRun.filter(([beginning]) => !met.has(beginning));
    assert.deepEqual(unmet, [], `${page} has nothing that begins so`);
  }

  /** Interrupts the commands that continue. */
  async end(): Promise<void> {
    for (const end of this.#continuing.splice(0)) await end();
  }

  async #do(block: Block, isLeft: (text: string) => boolean): Promise<void> {
    if (block.file !== undefined) this.write(block.file, block.code);
    else if (block.language === "sh") {
      this.#output = "";
      for (const [index, line] of shellLines(block).entries())
        if (!isLeft(line.line)) await this.run(line, expectedCode(block, index));
    } else if (isLeft(block.code)) return;
    else if (block.language === "text") this.#compare(block);
    else assert.fail(`${block.place}: neither a file, nor sh, nor text`);
  }

  #withPorts(text: string): string {
    return text.replaceAll(/\b\d{2,5}\b/g, (number) => this.#ports.get(number) ?? number);
  }

  /** Writes a file below the directory of the app. */
  write(file: string, printed: string): void {
    const text = this.#withPorts(printed);
    const path = join(this.world.directory, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  /** Runs a command line, and compares its exit code. */
  async run({ place, line: printed }: ShellLine, code = 0): Promise<void> {
    const line = this.#withPorts(printed);
    const [, packages] = INSTALL.exec(line) ?? [];
    if (packages !== undefined) return this.#install(packages.split(" "));
    const continues = CONTINUES.test(line);
    // A command that continues would write into the middle of the next one's output.
    this.#commands += 1;
    const file = join(this.#own, `output-${this.#commands}`);
    const descriptor = openSync(file, "w");
    const child = startProcess(this.#scope, "/bin/sh", ["-c", continues ? `exec ${line}` : line], {
      cwd: this.world.directory,
      env: this.#environment,
      stdio: ["ignore", descriptor, descriptor],
    });
    closeSync(descriptor);
    const closed = once(child, "close");
    const output = (): string => readFileSync(file, "utf8");
    if (continues) {
      const read = (): boolean => output() !== "" || child.exitCode !== null;
      await eventually(read, `${place}: ${line} prints`, 60_000);
      this.#continuing.push(async () => {
        child.kill("SIGINT");
        await closed;
      });
    } else await closed;
    this.#output += output();
    if (!continues) assert.equal(child.exitCode, code, `${place}: ${line}\n${output()}`);
  }

  /** Installs newel by a package that names the sources, and other packages by a link to those here. */
  #install(packages: readonly string[]): void {
    const modules = join(this.world.directory, "node_modules");
    for (const name of packages) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      if (name === "newel") this.#putPackage();
      else symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
    }
  }

  #putPackage(): void {
    const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      exports: Record<string, { default: string } | string>;
    };
    const entries = Object.entries(exports).flatMap(([subpath, target]) => {
      if (typeof target === "string") return [];
      const name = `${subpath.replaceAll(/\W+/g, "-")}.js`;
      const source = target.default.replace("dist", "src").replace(/\.js$/, ".ts");
      this.write(
        join("node_modules/newel", name),
        `export * from ${JSON.stringify(join(ROOT, source))};\n`,
      );
      return [[subpath, `./${name}`]];
    });
    const text = { name: "newel", type: "module", exports: Object.fromEntries(entries) };
    this.write("node_modules/newel/package.json", JSON.stringify(text));
    symlinkSync(join(ROOT, "systemd"), join(this.world.directory, "node_modules/newel/systemd"));
  }

  /** Programs in PATH by which a shell finds this newel, also by npx. */
  #putCommands(): void {
    const bin = this.#bin;
    mkdirSync(bin, { recursive: true });
    const programs = {
      newel: `'${process.execPath}' '${MAIN}' "$@"`,
      npx: `env PATH="$PATH:${join(ROOT, "node_modules/.bin")}" "$@"`,
    };
    for (const [name, program] of Object.entries(programs))
      writeFileSync(join(bin, name), `#!/bin/sh\nexec ${program}\n`, { mode: 0o755 });
  }

  get #bin(): string {
    return join(this.#own, "bin");
  }

  get #environment(): NodeJS.ProcessEnv {
    const { environment } = this.world;
    return {
      ...environment,
      PATH: `${this.#bin}:${dirname(process.execPath)}:${environment["PATH"]}`,
    };
  }

  /** Every line of the block stands in the output, in this order; `…` stands for any number of lines. */
  #compare({ place, code }: Block): void {
    const printed = alike(this.#output).split("\n");
    let at = 0;
    let mayPass = false;
    for (const line of alike(code).split("\n")) {
      if (line === "…") {
        mayPass = true;
        continue;
      }
      const found = mayPass ? printed.indexOf(line, at) : printed[at] === line ? at : -1;
      assert.notEqual(found, -1, `${place}: no line "${line}" here\n${this.#output}`);
      at = found + 1;
      mayPass = false;
    }
    if (!mayPass) assert.deepEqual(printed.slice(at), [], `${place}\n${this.#output}`);
  }
}

/** Text without the differences between two machines: numbers, and the width of columns and paths. */
function alike(text: string): string {
  return text
    .replaceAll(/#\d+-[0-9a-f]+/g, "#N")
    .replaceAll(/(?:[\d.]+(?:[smhd]|ms|[kMG]?B|%)?)+(?![\w/])/g, "N")
    .replaceAll(/(?:\/[\w.-]+)*\/nwl-\w+/g, "/srv/shop")
    .replaceAll(/[ \t]+/g, " ")
    .replaceAll(/^ | $/gm, "")
    .trim();
}

/** The exit code that the comment of a line names, as in `# exit code 1`. */
function expectedCode({ code }: Block, index: number): number {
  const lines = code.split("\n").filter((line) => line.replace(/(?:^|\s+)#.*/, "") !== "");
  return Number(/# .*\bexit code (\d+)/.exec(lines[index] ?? "")?.[1] ?? 0);
}
