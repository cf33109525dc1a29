import { existsSync } from "node:fs";

import { hasCode, isNewelError, messageOf, newelError } from "../base/errors.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { FailedUp, Progress, UpOptions } from "./api.ts";
import type { App, StoredApp } from "./app.ts";
import type { Apps } from "./apps.ts";
import { note, waiting } from "./commands.ts";
import type { ResolvedConfig } from "./config/resolved.ts";
import { type Admitted, admit, describeMove } from "./config/running.ts";
import type { Endpoints } from "./metrics/endpoints.ts";
import { failure, type Report } from "./progress.ts";
import { endStray, findRuns } from "./reconcile.ts";
import type { FoundProcess } from "./found-process.ts";
import type { Sockets } from "./sockets.ts";
import { planUpOf, takeDown, Up } from "./up.ts";

/** The dependencies of the verbs. */
interface AppVerbsParts {
  readonly kernel: KernelClient;
  readonly apps: Apps;
  readonly sockets: Sockets;
  readonly makeApp: (stored: StoredApp) => App;
  readonly endpoints: Endpoints;
  readonly log: (text: string) => void;
}

/**
 * `up` and `down` of an app: each waits for its turn on the app, and keeps the list of apps and the
 * stored state in the kernel consistent.
 */
export class AppVerbs {
  readonly #parts: AppVerbsParts;
  readonly #failedUps = new Map<string, FailedUp>();

  constructor(parts: AppVerbsParts) {
    this.#parts = parts;
  }

  /** Of each app the last `up`, where it failed. */
  get failedUps(): readonly FailedUp[] {
    return [...this.#failedUps.values()];
  }

  /** Waits for the verbs under way. Later ones wait for good: another program takes over. */
  async pause(): Promise<void> {
    const turns = [...this.#parts.apps].map(async ({ lock }) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      void lock.run("upgrade", "exclusive", () => {
        resolve();
        return new Promise<never>(() => {});
      });
      await promise;
    });
    await Promise.all(turns);
  }

  /**
   * Carries out an `up`. `prepared` is called when everything is checked and the sockets are made.
   *
   * @returns whether anything was changed
   */
  async up(
    given: ResolvedConfig,
    options: UpOptions,
    report: Report,
    prepared: () => void,
  ): Promise<boolean> {
    const { name } = given;
    this.#failedUps.delete(name);
    const failures: Extract<Progress, { type: "failed" }>[] = [];
    const listen: Report = (progress) => {
      if (progress.type === "failed") failures.push(progress);
      report(progress);
    };
    try {
      return await this.#up(given, options, listen, prepared);
    } catch (error) {
      // `newel why` reports it, and `newel ps` where its caller has gone.
      if (!hasCode(error, "NEWEL_E_CANCELLED"))
        this.#failedUps.set(name, {
          app: name,
          timeMs: Date.now(),
          why: messageOf(error),
          waited: options.wait,
          file: given.file,
          failures: failures.length > 0 ? failures : failureOf(error),
        });
      throw error;
    }
  }

  async #up(
    given: ResolvedConfig,
    options: UpOptions,
    report: Report,
    prepared: () => void,
  ): Promise<boolean> {
    for (;;) {
      const runs = await this.#runs();
      const app = this.#parts.apps.appFor(given) ?? this.#register(given, runs);
      const run = async (signal: AbortSignal): Promise<boolean | "gone"> => {
        // A `down` that came later ends it too.
        if (signal.aborted)
          throw newelError("NEWEL_E_CANCELLED", { what: `The up of ${given.name}` });
        if (!this.#parts.apps.has(app)) return "gone";
        try {
          const { config, move } = admitted(given, app, options);
          if (move !== undefined) report(note(`${config.name} ${describeMove(move)}`));
          const work = await planUpOf(config, app, this.#parts.sockets);
          await this.#parts.endpoints.prepare(config);
          const up = new Up(app, work, this.#parts.sockets, runs);
          await up.prepare();
          prepared();
          return await up.perform(report, signal);
        } finally {
          await this.#settle(app);
        }
      };
      const result = await app.lock.run("up", "exclusive", run, waiting(app, report));
      if (result !== "gone") return result;
    }
  }

  /** An app under its first `up`; it is written down as one that ends, until that has succeeded. */
  #register(config: ResolvedConfig, runs: readonly FoundProcess[]): App {
    const empty = { ...config, services: [], sockets: [] };
    // Output of an earlier app of this name is kept, under its numbers.
    const lastRun = Math.max(0, ...runs.map(({ run }) => run.run));
    const nextRun = Math.max(lastRun + 1, this.#parts.apps.firstRun(config.name));
    const app = this.#parts.makeApp({ config: empty, wanted: {}, nextRun, ending: true });
    this.#parts.apps.add(app);
    return app;
  }

  /** After an `up`: the app under its name of now, or gone after a first `up` that failed. */
  async #settle(app: App): Promise<void> {
    this.#parts.apps.remove(app);
    if (app.ending && app.services.size === 0) await app.erase();
    else this.#parts.apps.add(app);
    await this.#parts.endpoints.settle();
  }

  /**
   * Takes an app down; an `up` of it that runs is cancelled.
   *
   * @param now - every process gets SIGKILL at once, also where another `down` waits for it
   */
  async down(app: App, report: Report, now = false): Promise<void> {
    app.goingDown = true;
    this.#failedUps.delete(app.name);
    app.lock.interrupt();
    if (now) await killAll(app, report);
    const run = async (): Promise<void> => {
      if (!this.#parts.apps.has(app)) return;
      await this.#takeDown(app, report);
    };
    await app.lock.run("down", "exclusive", run, waiting(app, report)).finally(() => {
      app.goingDown = false;
    });
  }

  async #takeDown(app: App, report: Report): Promise<void> {
    const { ending } = app;
    app.ending = true;
    try {
      // If this supervisor dies from here on, the next one continues.
      await app.save();
    } catch (error) {
      app.ending = ending;
      throw error;
    }
    const left = await takeDown(app, report);
    if (left.length > 0) {
      const why = "its processes did not end";
      throw newelError("NEWEL_E_DOWN_FAILED", { app: app.name, services: left.join(", "), why });
    }
    await this.#endStrays(app);
    await this.#parts.sockets.removeAll(app);
    await app.erase();
    this.#parts.apps.remove(app);
    await this.#parts.endpoints.settle();
  }

  /** Removes the rest of an app whose first `up` failed. */
  async forgetRuns(name: string): Promise<void> {
    const ended = (await this.#runs()).filter(
      ({ run, info }) =>
        run.app === name && !info.running && this.#parts.apps.find(run).app === undefined,
    );
    for (const { info } of ended) await this.#parts.kernel.processes.remove(info.name);
  }

  /** Ends processes of an app that belong to none of its services, and their descendants. */
  async #endStrays(app: App): Promise<void> {
    const { kernel } = this.#parts;
    const names = (await this.#runs()).flatMap(({ run, info }) =>
      this.#parts.apps.find(run).app === app ? [info.name] : [],
    );
    if (names.length === 0) return;
    const strays = await kernel.processes.trees(names);
    await Promise.all(strays.map(({ name }) => endStray(kernel, name)));
  }

  /** The processes of all apps that the kernel has, the earliest first. */
  #runs(): Promise<readonly FoundProcess[]> {
    return findRuns(this.#parts.kernel);
  }

  /** An earlier supervisor ended in the middle of a `down` or of a first `up`. */
  finishDown(app: App): void {
    this.down(app, () => {}).catch((error: unknown) =>
      this.#parts.log(`down ${app.name}: ${messageOf(error)}`),
    );
  }
}

/** Decides whether a configuration may change an app. */
export function admitted(
  given: ResolvedConfig,
  app: App | undefined,
  { move = false }: { readonly move?: boolean },
): Admitted {
  return admit(given, app?.config, { move, isThere: existsSync });
}

/** The services that cannot be stopped are reported by the `down` that follows. */
async function killAll(app: App, report: Report): Promise<void> {
  const services = [...app.services.values()];
  await Promise.allSettled(
    services.map((service) => service.command({ kind: "stop", now: true }, report)),
  );
}

/** An error that ended an `up` before any service was changed, by the service it is about. */
function failureOf(error: unknown): Extract<Progress, { type: "failed" }>[] {
  if (!isNewelError(error)) return [];
  const { service } = error.data;
  const progress = failure(typeof service === "string" ? service : "", error);
  return progress.type === "failed" ? [progress] : [];
}
