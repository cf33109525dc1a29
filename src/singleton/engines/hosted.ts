import { newelError } from "../../base/errors.ts";
import { programPath } from "../../base/modules.ts";
import { sleep } from "../../base/timers.ts";
import type { ProcessInfo } from "../../kernel/process-api.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import type { Connection } from "../../wire/client.ts";
import type { WireLimits } from "../../wire/limits.ts";
import type { AnyClass, HostedOptions } from "../api.ts";
import type { Identity } from "../identity.ts";
import { jsonOf } from "../json.ts";
import { pause, type AnyApi, type Engine, type JoinOptions, type Joined } from "./engine.ts";
import { reachHolder } from "./kernel.ts";
import { useKernel } from "./kernel-share.ts";

/** The plan of a separate owner process, passed as its only argument. */
export interface HostedPlan {
  readonly module: string;
  readonly export?: string;
  readonly options: {
    readonly name: string;
    readonly key?: string;
    readonly version: number;
    readonly home: string;
    readonly idleMs?: number;
    readonly timeoutMs?: number;
    readonly limits?: Partial<WireLimits>;
    readonly unresponsiveMs?: number;
    readonly args: readonly unknown[];
  };
}

const POLL_MS = 10;
const TAIL_LINES = 20;

/**
 * The owner is a process that the kernel starts. The calling processes cannot win; if there is no
 * owner, one of them has the process started, and all connect to it.
 */
export class HostedEngine implements Engine {
  readonly place: string;
  readonly #identity: Identity;
  readonly #plan: string;

  constructor(identity: Identity, module: URL, options: HostedOptions<AnyClass>) {
    const { idleMs, timeoutMs, limits, unresponsiveMs, export: name } = options;
    const args = (options as { readonly args?: readonly unknown[] }).args ?? [];
    const { key, version, home } = identity;
    const plan: HostedPlan = {
      module: module.href,
      ...(name === undefined ? {} : { export: name }),
      options: {
        name: identity.name,
        ...(key === undefined ? {} : { key }),
        version,
        home: home.directory,
        ...(idleMs === undefined ? {} : { idleMs }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(limits === undefined ? {} : { limits }),
        ...(unresponsiveMs === undefined ? {} : { unresponsiveMs }),
        args,
      },
    };
    this.place = `in the kernel of ${identity.home.directory}`;
    this.#identity = identity;
    this.#plan = jsonOf(plan, identity.id);
  }

  async join(options: JoinOptions): Promise<Joined> {
    const { signal } = options;
    const use = await useKernel(this.#identity.home);
    try {
      for (let tries = 0; ; tries += 1) {
        signal.throwIfAborted();
        const connection = await this.#reach(use.client, options);
        if (connection !== undefined) return { connection };
        await this.#startInTurn(use.client, options);
        await pause(tries, signal);
      }
    } finally {
      await use.end();
    }
  }

  async #reach(
    { claims }: KernelClient,
    options: JoinOptions,
  ): Promise<Connection<AnyApi> | undefined> {
    const [holder] = await claims.list(this.#identity.claim);
    return holder === undefined ? undefined : reachHolder(this.#identity, holder, options);
  }

  /** One process at a time checks whether there is an owner, and has one started. */
  async #startInTurn(client: KernelClient, { signal, timeoutMs }: JoinOptions): Promise<void> {
    const turn = await client.claim(`singleton-start/${this.#identity.id}`, { signal });
    try {
      const until = performance.now() + timeoutMs;
      while (!(await this.#hasOwner(client))) {
        signal.throwIfAborted();
        const host = await this.#find(client);
        if (host === undefined) await this.#make(client);
        else if (!host.running) await this.#clearAway(client, host);
        else if (performance.now() > until)
          throw this.#failure(`it owns nothing after ${timeoutMs} ms`);
        else await sleep(POLL_MS, signal);
      }
    } finally {
      await turn.release();
    }
  }

  async #hasOwner({ claims }: KernelClient): Promise<boolean> {
    return (await claims.list(this.#identity.claim)).length > 0;
  }

  async #find({ processes }: KernelClient): Promise<ProcessInfo | undefined> {
    const { claim } = this.#identity;
    return (await processes.list(claim)).find(({ name }) => name === claim);
  }

  async #make({ processes }: KernelClient): Promise<void> {
    await processes.make({
      name: this.#identity.claim,
      args: [process.execPath, programPath("singleton/main"), this.#plan],
      env: { ...inheritedEnvironment(), NEWEL_HOME: this.#identity.home.directory },
      workingDir: process.cwd(),
    });
  }

  /** Removes a process that ended; the failure of a process is thrown to the caller. */
  async #clearAway({ processes }: KernelClient, host: ProcessInfo): Promise<void> {
    const lines = host.exitCode === 0 ? [] : await processes.tail(host.name, TAIL_LINES);
    await processes.remove(host.name);
    if (host.exitCode === 0) return;
    // The process was ended by a signal: it had run, and the next one may run.
    if ((host.exitCode ?? -1) < 0) return;
    throw this.#failure([`it ended with ${host.exitCode}`, ...lines].join("\n"));
  }

  #failure(why: string): Error {
    return newelError("NEWEL_E_SINGLETON_HOST", { name: this.#identity.id, why });
  }
}

/** The environment of this process, without the variables for this process alone. */
function inheritedEnvironment(): Record<string, string> {
  const personal =
    /^(NEWEL_|LISTEN_|NODE_OPTIONS$|NODE_CHANNEL_|NODE_UNIQUE_ID$|NOTIFY_SOCKET$|WATCHDOG_)/;
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined && !personal.test(name)) kept[name] = value;
  return kept;
}
