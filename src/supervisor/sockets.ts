import { hasCode, newelError } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";
import type { SocketInfo, SocketRequest } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import { type AddressOwner, findAddressOwner } from "./address-owner.ts";
import type { App } from "./app.ts";
import type { ResolvedConfig } from "./config/resolved.ts";
import { addressText } from "./config/sockets.ts";
import { groupOf } from "./listening.ts";
import { planSockets, servicesOf, socketRequest, type SocketPlan } from "./plan-sockets.ts";
import { socketName } from "./process-names.ts";

/** How often, and after how many milliseconds, it is checked that this process has closed its copy of a socket. */
const COPY_TRIES = 40;
const COPY_MS = 50;

/** The names by which a message refers to a process that newel started. */
export interface OwnProcess {
  readonly app: string;
  readonly service: string;
  /** `web.1` */
  readonly name: string;
}

interface SocketsParts {
  readonly kernel: KernelClient;
  readonly apps: () => Iterable<App>;
  /** The replica that a process is. */
  readonly replicaOf: (pid: number) => OwnProcess | undefined;
}

/** The sockets of all apps: made before the processes that use them, removed after the last of those. */
export class Sockets {
  readonly #parts: SocketsParts;

  constructor(parts: SocketsParts) {
    this.#parts = parts;
  }

  /**
   * Matches the sockets of a configuration with those that the kernel holds.
   *
   * @param app - the app that is to get the configuration, also where that changes its name
   * @throws NEWEL_E_ADDRESS_TAKEN
   */
  async plan(config: ResolvedConfig, app: App | undefined): Promise<SocketPlan> {
    const held = await this.#parts.kernel.sockets.list();
    return planSockets(config, held, (name) => {
      const user = this.#userOf(name);
      return user === app && user !== undefined ? config.name : user?.name;
    });
  }

  /**
   * Makes a socket of a configuration.
   *
   * @throws NEWEL_E_ADDRESS_TAKEN that names the process in the way and what to do about it
   */
  async make(config: ResolvedConfig, request: SocketRequest): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#parts.kernel.sockets.make(request);
        return;
      } catch (error) {
        if (!hasCode(error, "NEWEL_E_ADDRESS_IN_USE")) throw error;
        // A copy of a socket that was just removed is closed when the kernel's message has arrived; see SocketHolder.
        const isOwnCopy = findAddressOwner(request)?.pid === process.pid;
        if (!isOwnCopy || tries > COPY_TRIES) throw await this.#explain(config, request, error);
        await sleep(COPY_MS);
      }
    }
  }

  /**
   * Makes every socket of an app that the kernel lacks. The error of a socket that cannot be made is
   * kept in `app.socketErrors`, and the other sockets are made.
   *
   * @returns the kernel names of those that were made
   */
  async ensure(app: App, held: readonly SocketInfo[]): Promise<string[]> {
    const made: string[] = [];
    app.socketErrors.clear();
    for (const config of app.coming === undefined ? [app.config] : [app.config, app.coming]) {
      for (const socket of config.sockets) {
        const name = socketName(app.name, socket);
        if (held.some((info) => info.name === name) || made.includes(name)) continue;
        try {
          await this.make(config, socketRequest(name, socket));
          made.push(name);
        } catch (error) {
          app.socketErrors.set(name, error instanceof Error ? error : new Error(String(error)));
        }
      }
    }
    return made;
  }

  /**
   * Makes sockets that a process of the app needs.
   *
   * @throws NEWEL_E_ADDRESS_TAKEN
   */
  async provide(app: App, names: readonly string[]): Promise<void> {
    await this.ensure(app, await this.#parts.kernel.sockets.list());
    for (const name of names) {
      const error = app.socketErrors.get(groupOf(name));
      if (error !== undefined) throw error;
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await this.#parts.kernel.sockets.remove(name);
    } catch (error) {
      if (!hasCode(error, "NEWEL_E_NOT_FOUND")) throw error;
    }
  }

  /**
   * Removes the sockets of an app that neither its configuration nor a service of it uses.
   *
   * @param former - names of the kernel that the app used before
   */
  async removeUnused(app: App, former: ReadonlySet<string> = new Set()): Promise<void> {
    const used = new Set(app.socketNames);
    for (const { spec } of app.services.values())
      for (const socket of spec.listen) used.add(socketName(app.name, socket));
    await this.#removeOthers(app, used, former);
  }

  /** Removes every socket of an app. */
  async removeAll(app: App): Promise<void> {
    await this.#removeOthers(app, new Set(), app.socketNames);
  }

  async #removeOthers(
    app: App,
    used: ReadonlySet<string>,
    former: ReadonlySet<string>,
  ): Promise<void> {
    const failures: unknown[] = [];
    for (const { name } of await this.#parts.kernel.sockets.list()) {
      const user = this.#userOf(name);
      const isFree = former.has(name) || name.startsWith(`${app.name}/`);
      const isOurs = user === app || (user === undefined && isFree);
      if (!isOurs || used.has(name) || used.has(groupOf(name))) continue;
      // A socket that cannot be removed does not prevent the removal of the others.
      await this.remove(name).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  /** The app whose configuration has a socket of the kernel. */
  #userOf(name: string): App | undefined {
    const group = groupOf(name);
    return [...this.#parts.apps()].find(
      ({ socketNames }) => socketNames.has(name) || socketNames.has(group),
    );
  }

  async #explain(config: ResolvedConfig, request: SocketRequest, cause: unknown): Promise<Error> {
    const { pid } = await this.#parts.kernel.status();
    const socket = config.sockets.find((each) => each.kernelName === request.name);
    const service = socket === undefined ? undefined : servicesOf(config, socket.name)[0];
    const owner = findAddressOwner(request);
    return newelError(
      "NEWEL_E_ADDRESS_TAKEN",
      {
        service: service?.name ?? config.name,
        address: addressText({ backlog: 0, ...request }),
        ...this.#describe(owner, config.name, pid),
      },
      cause,
    );
  }

  #describe(
    owner: AddressOwner | undefined,
    app: string,
    kernelPid: number,
  ): { readonly owner: string; readonly step: string } {
    const replica = owner?.line
      .map((pid) => this.#parts.replicaOf(pid))
      .find((each) => each !== undefined);
    if (replica !== undefined) return describeReplica(replica, owner?.pid ?? 0, app);
    if (owner === undefined) {
      return {
        owner: "another program has bound it without listening",
        step: "Find it with `ss -anp`, stop it, or choose another address.",
      };
    }
    if (owner.pid === undefined) {
      return {
        owner: `a process of the user with uid ${owner.uid ?? "unknown"} listens on it`,
        step: "Find it with `sudo ss -lnp`, stop it, or choose another address.",
      };
    }
    if (owner.pid === kernelPid) {
      return {
        owner: `newel's own kernel (pid ${kernelPid}) listens on it`,
        step: "Choose another address.",
      };
    }
    const { daemon } = owner;
    if (daemon !== undefined) {
      return {
        owner: `newel's ${daemon.name} of the home ${daemon.home} (pid ${owner.pid}) holds it`,
        step: `End the app there, with NEWEL_HOME=${daemon.home}, or choose another address.`,
      };
    }
    return {
      owner: `another program listens on it (pid ${owner.pid}: ${owner.command ?? "unknown"})`,
      step: `Stop that program (\`kill ${owner.pid}\`), or choose another address.`,
    };
  }
}

function describeReplica(
  replica: OwnProcess,
  pid: number,
  app: string,
): { readonly owner: string; readonly step: string } {
  const isOther = replica.app !== app;
  const service = isOther ? `${replica.app}/${replica.service}` : replica.service;
  return {
    owner: `${replica.name} of the app ${replica.app} (pid ${pid}) has bound it by itself`,
    step: isOther
      ? `Run \`newel stop ${service}\` first, or choose another address.`
      : `Run \`newel stop ${service}\`, then \`newel up\`: from then on newel holds the address and passes it on. Clients are refused in between.`,
  };
}
