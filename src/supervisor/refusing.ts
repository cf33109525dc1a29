import { hasCode, messageOf } from "../base/errors.ts";
import type { SocketInfo } from "../kernel/api.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { ServiceState } from "./api.ts";
import type { App } from "./app.ts";
import { socketName } from "./process-names.ts";

/** After a socket could not be switched it is tried again, in milliseconds. */
const RETRY_MS = 1_000;

/** The facts about a service with a socket that decide how its clients are treated. */
export interface SocketUser {
  readonly state: ServiceState;
  readonly whenFailed: "refuse" | "wait";
}

/** The decision about the clients of a socket; `undefined`: the last decision stays. */
export type Treatment = "refuse" | "serve" | undefined;

/**
 * Decides about the clients of a socket. They are refused once each service that gets it is `failed`,
 * because no process will come by itself. A stopped service changes nothing.
 */
export function decideTreatment(users: readonly SocketUser[]): Treatment {
  const active = users.filter(({ state }) => state !== "stopped");
  const isRefused = ({ state, whenFailed }: SocketUser): boolean =>
    state === "failed" && whenFailed === "refuse";
  if (active.length === 0) return undefined;
  return active.length === users.length && active.every(isRefused) ? "refuse" : "serve";
}

interface RefusingParts {
  readonly kernel: KernelClient;
  readonly log: (text: string) => void;
}

/**
 * Has the kernel refuse the clients of services that were given up. The kernel lets them wait again by
 * itself as soon as a process is given the socket.
 */
export class Refusing {
  readonly #parts: RefusingParts;
  /** How the kernel treats each socket now. */
  readonly #known = new Map<string, Treatment>();
  #work: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(parts: RefusingParts) {
    this.#parts = parts;
  }

  /** Takes the sockets of a new kernel as the known state. */
  learn(held: readonly SocketInfo[]): void {
    this.#known.clear();
    for (const { name, refusing } of held)
      this.#known.set(name, refusing === true ? "refuse" : "serve");
  }

  /** Compares the sockets of an app with the states of its services, and corrects differences. */
  check(app: App): void {
    for (const [name, treatment] of treatments(app)) {
      if (treatment === undefined || this.#known.get(name) === treatment) continue;
      // A socket that was just made has no known state; it serves.
      const isNew = !this.#known.has(name);
      this.#known.set(name, treatment);
      if (isNew && treatment === "serve") continue;
      this.#work = this.#work.then(() => this.#switch(app, name, treatment));
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  async #switch(app: App, name: string, treatment: "refuse" | "serve"): Promise<void> {
    const { kernel, log } = this.#parts;
    // Another change may have come while it waited.
    if (this.#closed || this.#known.get(name) !== treatment) return;
    try {
      // A socket without a host may have members; the pattern of none is no error.
      for (const each of [`${name}~*`, name]) {
        if (treatment === "refuse") await kernel.sockets.refuse(each);
        else await kernel.sockets.serve(each);
      }
    } catch (error) {
      this.#known.delete(name);
      // It is made again, and decided about then.
      if (hasCode(error, "NEWEL_E_NOT_FOUND")) return;
      log(`${treatment} the clients of ${name}: ${messageOf(error)}`);
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.check(app), RETRY_MS);
    }
  }
}

function treatments(app: App): [string, Treatment][] {
  const services = [...app.services.values()];
  return [...app.socketNames].map((name) => {
    const users = services.filter(({ spec }) =>
      spec.listen.some((socket) => socketName(app.name, socket) === name),
    );
    return [
      name,
      decideTreatment(
        users.map(({ state, spec }) => ({ state, whenFailed: spec.restart.whenFailed })),
      ),
    ];
  });
}
