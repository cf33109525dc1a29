import { join } from "node:path";

import { newelError } from "../../base/errors.ts";
import type { ResolvedConfig } from "../../supervisor/config/resolved.ts";
import { runsNode } from "../../supervisor/config/runs-node.ts";
import { validate } from "../../supervisor/config/validate.ts";
import { type DevProgram, guessPort } from "./program.ts";
import { devConfig } from "./settings.ts";

/** The app of one `newel dev`. */
export interface DevSource {
  /** The configuration to apply now. */
  readonly config: ResolvedConfig;
  /** Reads the configuration again, after a change of its file; missing where there is none. */
  readonly reload?: () => Promise<ResolvedConfig>;
  /** The ports of a program without a configuration. */
  readonly ports?: Ports;
}

/** The ports of a program without a configuration, which says nothing about them. */
export interface Ports {
  /** Whether the program was given its port by `--port`. */
  readonly isFixed: boolean;
  /** Records a port on which the program listens unexpectedly; returns whether the port was unknown before. */
  learn(port: number): boolean;
  /** The program listens on an expected port. */
  confirm(): void;
  /** No other program may have the expected port: expect one that is only a place for the sockets. */
  replaceGuess(port: number): void;
  readonly config: ResolvedConfig;
}

/** A service from a command line or a script, which has the caller's whole environment. */
export function programSource(
  program: DevProgram,
  options: { readonly port: number | undefined; readonly environment: NodeJS.ProcessEnv },
): DevSource {
  const ports = new ProgramPorts(program, options);
  return {
    get config() {
      return ports.config;
    },
    ports,
  };
}

class ProgramPorts implements Ports {
  readonly isFixed: boolean;
  readonly #program: DevProgram;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #fixed: number | undefined;
  /** Whether its processes are Node.js programs: others cannot take over a socket that they bind themselves. */
  readonly #isNode: boolean;
  #guess: number | undefined;
  #known: readonly number[] = [];

  constructor(
    program: DevProgram,
    { port, environment }: { port: number | undefined; environment: NodeJS.ProcessEnv },
  ) {
    this.#program = program;
    this.#environment = environment;
    this.#fixed = port;
    this.isFixed = port !== undefined;
    this.#isNode = runsNode(program.run, program.cwd, environment["PATH"]);
    if (port !== undefined) this.#known = [port];
    else if (this.#isNode) this.#guess = guessPort(program, environment);
  }

  learn(port: number): boolean {
    if (this.#known.includes(port)) return false;
    this.#known = [...this.#known, port];
    return true;
  }

  confirm(): void {
    if (this.#guess === undefined) return;
    this.#known = [...this.#known, this.#guess];
    this.#guess = undefined;
  }

  replaceGuess(port: number): void {
    this.#guess = port;
  }

  get config(): ResolvedConfig {
    const { name, run, cwd, env } = this.#program;
    const ports =
      this.#known.length > 0 ? this.#known : this.#guess === undefined ? [] : [this.#guess];
    const service = {
      run,
      passEnv: ["*"],
      env: { ...env, ...(this.#fixed === undefined ? {} : { PORT: this.#fixed }) },
      ...(ports.length === 0 ? {} : { listen: ports }),
      // Whether it listens is only known once it did.
      ...(this.#known.length > 0 && this.#isNode
        ? {}
        : { ready: { notify: false, after: "500ms" } }),
    };
    const value = { name, services: { [name]: service } };
    const result = validate(value, join(cwd, "package.json"), this.#environment);
    if ("config" in result) return devConfig(result.config);
    const what = result.findings.map(({ says }) => `The command ${says}`).join(" ");
    throw newelError("NEWEL_E_USAGE", { what });
  }
}
