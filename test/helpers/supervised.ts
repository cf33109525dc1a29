import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { hasCode } from "../../src/base/errors.ts";
import { type Home, homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import type { KernelClient } from "../../src/kernel/client-api.ts";
import type { Progress, ServiceView, SupervisorApi } from "../../src/supervisor/api.ts";
import { connectSupervisor, type SupervisorConnection } from "../../src/supervisor/client.ts";
import { loadConfig } from "../../src/supervisor/config/load.ts";
import type { ResolvedConfig } from "../../src/supervisor/config/resolved.ts";
import type { Remote } from "../../src/wire/contract.ts";
import { cleanUp, eventually, isAlive, type Scope, temporaryDirectory } from "./resources.ts";
import { sendSignal } from "./signals.ts";

/** The path of an unmodified app of test/fixtures/apps. */
export function fixtureApp(name: string): string {
  return fileURLToPath(new URL(`../fixtures/apps/${name}.ts`, import.meta.url));
}

/** The result of a verb. */
export interface Outcome {
  readonly ok: boolean;
  readonly changed: boolean;
  readonly steps: readonly string[];
  readonly failed: readonly Extract<Progress, { type: "failed" }>[];
  readonly killed: readonly Extract<Progress, { type: "killed" }>[];
}

/** Collects the progress of a verb. */
async function outcomeOf(progress: AsyncIterable<Progress>): Promise<Outcome> {
  const all = await Array.fromAsync(progress);
  const end = all.at(-1);
  if (end?.type !== "end") throw new Error("a verb that does not end");
  return {
    ok: end.ok,
    changed: end.changed,
    steps: all.flatMap((item) => (item.type === "step" ? [item.text] : [])),
    failed: all.filter((item) => item.type === "failed"),
    killed: all.filter((item) => item.type === "killed"),
  };
}

/** An app in a separate directory with its own supervisor and kernel. */
export class SupervisedApp {
  readonly directory: string;
  readonly home: Home;
  #connection: SupervisorConnection | undefined;
  #kernel: KernelClient | undefined;

  constructor(scope: Scope) {
    this.directory = temporaryDirectory(scope);
    this.home = homeAt(join(this.directory, "h"));
    cleanUp(scope, () => this.#end());
  }

  /** Writes a file of the app. */
  write(name: string, text: string): string {
    const path = join(this.directory, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Writes the configuration and reads it as `newel up` would. */
  async configure(config: {
    services: Record<string, unknown>;
    [key: string]: unknown;
  }): Promise<ResolvedConfig> {
    this.write("newel.config.mjs", `export default ${JSON.stringify({ name: "app", ...config })};`);
    return loadConfig({ cwd: this.directory, environment: process.env });
  }

  /** Connects again where the last connection broke, as the next command would. */
  async supervisor(): Promise<Remote<SupervisorApi>> {
    if (this.#connection === undefined) {
      this.#connection = await connectSupervisor({ home: this.home });
      void this.#connection.closed.then(() => (this.#connection = undefined));
    }
    return this.#connection.remote;
  }

  async kernel(): Promise<KernelClient> {
    this.#kernel ??= await connectKernel({ home: this.home });
    return this.#kernel;
  }

  async up(config: {
    services: Record<string, unknown>;
    [key: string]: unknown;
  }): Promise<Outcome> {
    const resolved = await this.configure(config);
    return outcomeOf((await this.supervisor()).up(resolved, { wait: true }));
  }

  async verb(name: "start" | "stop" | "restart" | "reload", ...names: string[]): Promise<Outcome> {
    return outcomeOf((await this.supervisor())[name]({ names }));
  }

  async scale(service: string, replicas: number): Promise<Outcome> {
    return outcomeOf(
      (await this.supervisor()).scale([{ service, replicas, relative: false }], undefined),
    );
  }

  async service(name: string): Promise<ServiceView> {
    const [view] = await (await this.supervisor()).list({ names: [name] });
    if (view === undefined) throw new Error(`no service ${name}`);
    return view;
  }

  /** The kernel's names of all running processes. */
  async running(): Promise<readonly string[]> {
    const list = await (await this.kernel()).processes.list();
    return list.filter(({ running }) => running).map(({ name }) => name);
  }

  /** The pids of the living processes of a service, by name. */
  async pids(name: string): Promise<Record<string, number>> {
    const { processes } = await this.service(name);
    return Object.fromEntries(
      processes.flatMap((each) => (each.pid === undefined ? [] : [[each.name, each.pid]])),
    );
  }

  async killSupervisor(): Promise<void> {
    const { pid } = await (await this.supervisor()).hello();
    sendSignal(pid, "SIGKILL");
    await eventually(() => !isAlive(pid), "the supervisor is dead");
    await this.#connection?.closed;
    this.#connection = undefined;
  }

  /** Ends the services, the supervisor and the kernel. */
  async #end(): Promise<void> {
    const supervisor = await this.supervisor();
    await outcomeOf(supervisor.down(undefined));
    const { pid } = await supervisor.hello();
    // With an app that could not be taken down it refuses.
    if (!(await supervisor.quit())) sendSignal(pid, "SIGTERM");
    await this.#connection?.close();
    // A living supervisor would start the kernel again.
    await eventually(() => !isAlive(pid), "the supervisor is gone");
    const kernel = await this.kernel();
    for (const { name } of await kernel.processes.list())
      await kernel.processes.signal(name, "KILL", "tree");
    const status = await kernel.status();
    sendSignal(status.pid, "SIGTERM");
    await kernel.close().catch((error: unknown) => {
      if (!hasCode(error, "NEWEL_E_CONNECTION_LOST")) throw error;
    });
    await eventually(() => !isAlive(status.pid), "the kernel is gone");
  }
}
