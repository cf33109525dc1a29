import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { freePort, type Scope } from "../helpers/resources.ts";
import type { CommandResult } from "./command.ts";
import { LoadConnection } from "./connection.ts";
import { killProcessesOf } from "./leftovers.ts";
import { buildNext, missingForNext, NEXT_CONFIG, NEXT_PROJECT, nextStart } from "./next.ts";

/** How many processes the web app has, unless it is scaled. */
export const REPLICAS = 2;

/** The apps of test/fixtures/apps that the benches run on, unmodified. */
export const APPS = ["http", "fastify", "express", "hono"] as const;

/**
 * All apps of the scenario: also Next.js, with TLS, with HTTP/2, with workers, and below `npm
 * start`.
 */
export const SITES = [...APPS, "next", "https", "http2", "cluster", "npm"] as const;
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
  /** The tool's recovery from that: resolves when the daemon and the app run again. */
  recover(): Promise<CommandResult>;
  /** The pids of the app's processes, as the tool lists them. */
  pids(): Promise<readonly number[]>;
  end(): Promise<void>;
}

const FIXTURES = fileURLToPath(new URL("../fixtures/apps", import.meta.url));

/** Why the site of an app cannot be made here. */
export function missingFor(app: AppName): string | undefined {
  return app === "next" ? missingForNext() : undefined;
}

/** One app in a directory for it alone, where its code can be exchanged. */
export class Site {
  readonly directory: string;
  readonly app: AppName;
  readonly port: number;
  /** The file that `break` and `restore` exchange. */
  readonly file: string;
  readonly #source: string;

  private constructor(app: AppName, directory: string, port: number, source: string) {
    this.app = app;
    this.directory = directory;
    this.port = port;
    this.file = join(directory, app === "next" ? NEXT_CONFIG : "app.ts");
    this.#source = source;
  }

  static async open(scope: Scope, app: AppName): Promise<Site> {
    const parent = app === "next" ? NEXT_PROJECT : tmpdir();
    const directory = mkdtempSync(join(parent, app === "next" ? "site-" : "nwl-"));
    scope.after(async () => {
      await killProcessesOf(directory);
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    });
    if (app === "next") await buildNext(scope, join(FIXTURES, "next"), directory);
    else furnish(directory);
    const source = app === "next" ? `next/${NEXT_CONFIG}` : `${app === "npm" ? "http" : app}.ts`;
    const site = new Site(app, directory, await freePort(), join(FIXTURES, source));
    site.restore();
    return site;
  }

  /** The program in newel's configuration. */
  get program(): { readonly node: string } | { readonly run: string | readonly string[] } {
    if (this.app === "next") return { run: nextStart(this.port) };
    return this.app === "npm" ? { run: "npm start" } : { node: "app.ts" };
  }

  get tls(): boolean {
    return this.app === "https" || this.app === "http2";
  }

  /** The next process that starts throws at its boot. */
  break(): void {
    writeFileSync(this.file, 'throw new Error("broken build");\n');
  }

  restore(): void {
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

/** The packages, certificates and manifest that the small apps use. */
function furnish(directory: string): void {
  const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));
  symlinkSync(modules, join(directory, "node_modules"));
  symlinkSync(join(FIXTURES, "tls"), join(directory, "tls"));
  const manifest = { type: "module", scripts: { start: "node app.ts" } };
  writeFileSync(join(directory, "package.json"), JSON.stringify(manifest));
}
