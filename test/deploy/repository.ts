import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { get } from "node:http";

import { homeAt } from "../../src/base/home.ts";
import { type Layout, layoutOf } from "../../src/deploy/layout.ts";
import { readReleases, type Release } from "../../src/deploy/records.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { collect, type World } from "../cli/world.ts";
import { eventually, type Scope } from "../helpers/resources.ts";

/** The differences of a version from a good one. */
export interface Change {
  /** Appended to the program. */
  readonly server?: string;
  /** Settings of `deploy`. */
  readonly deploy?: object;
  /** Settings of the service `web`. */
  readonly web?: object;
  /** Further services. */
  readonly services?: object;
  /** The name of the app. */
  readonly name?: string;
  /** The text of the configuration in its place. */
  readonly config?: string;
}

/** A repository with an app whose answer names its version. */
export class Repository {
  readonly world: World;
  readonly port: number;
  readonly layout: Layout;

  constructor(world: World, port: number) {
    this.world = world;
    this.port = port;
    this.layout = layoutOf(homeAt(world.home), "shop");
    this.git("init", "-q", "--initial-branch=main");
  }

  git(...args: string[]): string {
    const identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
    return execFileSync("git", [...identity, ...args], {
      cwd: this.world.directory,
      encoding: "utf8",
    });
  }

  /** Commits a version of the app. */
  commit(version: string, change: Change = {}): void {
    const { server = "", deploy = {}, services = {}, web = {}, name = "shop", config } = change;
    this.world.write(
      "server.mjs",
      `import { createServer } from "node:http";
       import { readFileSync } from "node:fs";
       const built = readFileSync("built", "utf8").trim();
       const server = createServer((_, response) => response.end("${version} " + built));
       ${server}
       server.listen(Number(process.env.PORT), "127.0.0.1");`,
    );
    this.world.configure({
      name,
      services: {
        ...services,
        web: {
          node: "server.mjs",
          listen: this.port,
          env: { PORT: String(this.port) },
          ready: { timeout: "30s", stable: "200ms" },
          stop: { grace: "5s" },
          ...web,
        },
      },
      deploy: {
        build: `echo built-${version} > built`,
        shared: ["data"],
        verify: { for: "300ms", http: `http://127.0.0.1:${this.port}/` },
        keep: 50,
        ...deploy,
      },
    });
    if (config !== undefined) this.world.write("newel.config.json", config);
    this.git("add", "-A");
    this.git("commit", "-q", "-m", version, "--allow-empty");
  }

  answer(): Promise<string> {
    return fetchText(this.port);
  }

  /** The records of the releases, without a command that would settle them. */
  get records(): readonly Release[] {
    return readReleases(this.layout);
  }

  /** Waits until the newest deploy has reached a step. */
  async reached(step: string): Promise<Release> {
    return eventually(
      () => {
        const last = this.records.at(-1);
        return last?.state === "deploying" && last.step === step ? last : undefined;
      },
      `the deploy reaches ${step}`,
      120_000,
    );
  }

  /**
   * The rest of deploys that should not be there: records of deploys under way, notes, sockets, values and processes
   * of the kernel.
   */
  async leftovers(): Promise<string[]> {
    const files = readdirSync(this.layout.releases).filter(
      (name) => !/^\d+(\.json|\.log)?$/.test(name),
    );
    const records = this.records.flatMap(({ number, state }) =>
      state === "deploying" ? [`release ${number} is ${state}`] : [],
    );
    const kernel = await connectKernel({ home: homeAt(this.world.home) });
    try {
      const values = await kernel.values.list("newel/deploy/*");
      const trees = await kernel.processes.trees(["deploy/*"]);
      const sockets = await kernel.sockets.list();
      const services = await kernel.processes.list("shop/*");
      return [
        ...files,
        ...records,
        ...values.map(({ name }) => `value ${name}`),
        ...trees.flatMap(({ processes }) => processes.map(({ command }) => `process ${command}`)),
        ...sockets.flatMap(({ name }) =>
          /port\.\d+(?:~\d+)?$/.test(name) ? [] : [`socket ${name}`],
        ),
        ...(services.filter(({ running }) => running).length === 1
          ? []
          : ["replicas that are too many"]),
      ];
    } finally {
      await kernel.close();
    }
  }
}

function fetchText(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get({ host: "127.0.0.1", port, agent: false }, (response) => {
      const text = collect(response);
      response.once("error", reject).once("end", () => resolve(text()));
    });
    asked.once("error", reject);
    // A request that is never answered is a failed one.
    asked.setTimeout(UNANSWERED_MS, () => asked.destroy(new Error("no answer within 30 s")));
  });
}

/** More than an answer takes on a busy machine, in milliseconds. */
const UNANSWERED_MS = 30_000;

/** The requests of a client, and those that failed. */
export interface Load {
  readonly failures: readonly string[];
  readonly answers: number;
  end(): Promise<void>;
}

/** Requests one after the other until the end; the failures are counted. */
export function load(scope: Scope, port: number): Load {
  const seen = { failures: [] as string[], answers: 0, goesOn: true, end };
  const run = async (): Promise<void> => {
    while (seen.goesOn) {
      try {
        await fetchText(port);
        seen.answers += 1;
      } catch (error) {
        seen.failures.push(String(error));
      }
      // The processors are for the deploy.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const running = run();
  scope.after(end);
  return seen;

  async function end(): Promise<void> {
    seen.goesOn = false;
    await running;
  }
}
