import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { freePort, type Scope } from "../helpers/resources.ts";
import type { CommandResult } from "./command.ts";
import { LoadConnection } from "./connection.ts";
import { killProcessesOf } from "./leftovers.ts";

/** How many processes the web app has, unless it is scaled. */
export const REPLICAS = 2;

/** The apps of test/fixtures/apps that the benches run on, unmodified. */
export const APPS = ["http", "fastify", "express", "hono"] as const;

/** All that the scenario runs on: also with TLS, with HTTP/2, with workers, and below `npm start`. */
export const SITES = [...APPS, "https", "http2", "cluster", "npm"] as const;
export type AppName = (typeof SITES)[number];

/** A process manager with one web app, driven by its command line alone, as an operator would. */
export interface WebTool {
  readonly name: string;
  readonly site: Site;
  up(): Promise<CommandResult>;
  reload(): Promise<CommandResult>;
  restart(): Promise<CommandResult>;
  scale(replicas: number): Promise<CommandResult>;
  /** Kills the tool's own daemon with SIGKILL. */
  killDaemon(): Promise<void>;
  /** What the tool does about that: resolves when the daemon and the app are there again. */
  recover(): Promise<CommandResult>;
  /** The pids of the app's processes, as the tool lists them. */
  pids(): Promise<readonly number[]>;
  end(): Promise<void>;
}

/** One app in a directory of its own, where its code can be exchanged. */
export class Site {
  readonly directory: string;
  readonly app: AppName;
  readonly port: number;
  readonly file: string;
  readonly #source: string;

  private constructor(app: AppName, directory: string, port: number, source: string) {
    this.app = app;
    this.directory = directory;
    this.port = port;
    this.file = join(directory, "app.ts");
    this.#source = source;
  }

  static async open(scope: Scope, app: AppName): Promise<Site> {
    const directory = mkdtempSync(join(tmpdir(), "nwl-"));
    scope.after(async () => {
      await killProcessesOf(directory);
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    });
    const fixtures = fileURLToPath(new URL("../fixtures/apps", import.meta.url));
    const source = join(fixtures, `${app === "npm" ? "http" : app}.ts`);
    const site = new Site(app, directory, await freePort(), source);
    const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));
    symlinkSync(modules, join(directory, "node_modules"));
    symlinkSync(join(fixtures, "tls"), join(directory, "tls"));
    const manifest = { type: "module", scripts: { start: "node app.ts" } };
    writeFileSync(join(directory, "package.json"), JSON.stringify(manifest));
    site.mend();
    return site;
  }

  get tls(): boolean {
    return this.app === "https" || this.app === "http2";
  }

  /** The next process that starts throws at its boot. */
  break(): void {
    writeFileSync(this.file, 'throw new Error("broken build");\n');
  }

  mend(): void {
    copyFileSync(this.#source, this.file);
  }

  /** Whether it answers; any failure means that it does not. */
  async isServing(): Promise<boolean> {
    const connection = new LoadConnection({ host: "127.0.0.1", port: this.port, tls: this.tls });
    try {
      return (await connection.request("/healthz", true, 2_000)).body === "ok";
    } catch {
      return false;
    } finally {
      connection.close();
    }
  }
}
