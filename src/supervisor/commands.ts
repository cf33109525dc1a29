import { newelError } from "../base/errors.ts";
import type { Progress, ScaleRequest, Target } from "./api.ts";
import type { App } from "./app.ts";
import type { Command } from "./machine/types.ts";
import { checkStartable } from "./preflight.ts";
import type { Report } from "./progress.ts";
import type { Service } from "./service.ts";
import type { Found } from "./targets.ts";

/** A service and its new number. */
interface Scaling {
  readonly found: Found;
  readonly request: ScaleRequest;
}

/** Runs the commands of single services, each in its turn among the verbs of its app. */
export class Commands {
  readonly #isThere: (app: App) => boolean;

  /** @param isThere - whether an app is still known */
  constructor(isThere: (app: App) => boolean) {
    this.#isThere = isThere;
  }

  /** One command for all services at the same time. */
  async each(found: readonly Found[], command: Command, report: Report): Promise<boolean> {
    const results = await Promise.all(found.map((one) => this.#run(one, command, report)));
    return results.some(({ changed }) => changed);
  }

  /**
   * A verb of an operator. A service with a schedule runs at once if it is named; else a start only lets its schedule
   * continue, and a restart and a reload leave it.
   */
  async verb(
    found: readonly Found[],
    { names }: Target,
    command: Command,
    report: Report,
  ): Promise<boolean> {
    const isAll = names.length === 0 && command.kind !== "stop";
    const results = await Promise.all(
      found.map((one): Promise<boolean> => {
        const { spec, wanted } = one.service;
        if (!isAll || spec.schedule === undefined) return this.each([one], command, report);
        if (command.kind !== "start") return Promise.resolve(false);
        const { replicas } = wanted;
        return this.each([one], { kind: "apply", spec, up: true, replicas }, report);
      }),
    );
    return results.includes(true);
  }

  /** Scales all given services or none: if one fails, the others get back their former numbers. */
  async scale(targets: readonly Scaling[], report: Report): Promise<boolean> {
    const results = await Promise.all(
      targets.map(async ({ found, request: { replicas, relative } }) => {
        const before = found.service.present();
        const command = { kind: "scale", replicas, relative } as const;
        return { found, before, ...(await this.#run(found, command, report)) };
      }),
    );
    if (results.every(({ ok }) => ok)) return results.some(({ changed }) => changed);
    await Promise.all(
      results
        .filter(({ ok }) => ok)
        .map(({ found, before: { spec, up, replicas } }) =>
          this.#run(found, { kind: "apply", spec, up, replicas }, report),
        ),
    );
    return true;
  }

  /** Runs a command of one service in its turn; a failure is reported. */
  #run(
    { app, service }: Found,
    command: Command,
    report: Report,
  ): Promise<{ readonly ok: boolean; readonly changed: boolean }> {
    const verb = `${command.kind} of ${service.name}`;
    const run = async (): Promise<{ ok: boolean; changed: boolean }> => {
      const isThere = this.#isThere(app) && app.services.get(service.name) === service;
      // A `down` before it has ended the service, or an `up` that failed.
      if (!isThere && command.kind === "stop") return { ok: true, changed: true };
      try {
        if (!isThere) throw newelError("NEWEL_E_NO_SERVICE", { name: service.name, hint: "" });
        return { ok: true, changed: await performCommand(app, service, command, report) };
      } catch (error) {
        // The rollback of an `up` replaced it: afterwards it is done, or done again.
        if (command.kind === "stop" && app.coming !== undefined)
          return app.lock.run(verb, "shared", run, waiting(app, report));
        await service.reportFailure(error, report);
        return { ok: false, changed: true };
      }
    };
    if (command.kind === "stop" && app.coming !== undefined) {
      // A running `up` fails because of this, or keeps the service stopped.
      app.stopped.add(service.name);
      return run();
    }
    return app.lock.run(verb, "shared", run, waiting(app, report));
  }
}

/**
 * Runs a command of one service. The desired state is written down before a service is started or
 * stopped, and after a reload or a scale, which change nothing when they fail.
 */
async function performCommand(
  app: App,
  service: Service,
  command: Command,
  report: Report,
): Promise<boolean> {
  const { spec, up, replicas } = service.present();
  // Before anything is stopped.
  if (command.kind !== "stop") checkStartable(spec);
  if (command.kind !== "reload" && command.kind !== "scale" && command.kind !== "apply") {
    const wanted = { up: command.kind !== "stop", replicas };
    return app.want(service.name, wanted, () => service.command(command, report));
  }
  const changed = await service.command(command, report);
  try {
    await app.save();
  } catch (error) {
    await service.command({ kind: "apply", spec, up, replicas }, report);
    throw error;
  }
  return changed;
}

/** Reports the verb that a verb waits for. */
export function waiting(app: App, report: Report): (verb: string) => void {
  return (verb) => report(note(`waits for the ${verb} of ${app.name} that is under way`));
}

/** Something about the app as a whole. */
export function note(text: string): Progress {
  return { type: "note", text };
}
