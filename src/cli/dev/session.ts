import { dirname, relative } from "node:path";

import { isNewelError, messageOf } from "../../base/errors.ts";
import type { Progress } from "../../supervisor/api.ts";
import type { ResolvedConfig } from "../../supervisor/config/resolved.ts";
import { ServiceWatch } from "../../supervisor/watch/service-watch.ts";
import type { Context } from "../command.ts";
import { printSummary } from "../commands/up.ts";
import { EXIT } from "../exit-codes.ts";
import type { ForegroundDriver, ForegroundSession } from "../foreground.ts";
import { printFailure } from "../output/errors.ts";
import { followProgress } from "../output/progress.ts";
import { DevExits } from "./exits.ts";
import { DevPorts } from "./ports.ts";
import { heldConfig, unwatchedConfig, type WatchGroup, watchGroups } from "./settings.ts";
import type { DevSource } from "./source.ts";

type Failure = Extract<Progress, { type: "failed" }>;

const CONFIG_DEBOUNCE_MS = 100;
const WAITING = "Waiting for the next change.";

/**
 * The work of `newel dev` between the start and Ctrl-C. States of the app:
 *
 * | state | sockets | a change |
 * |---|---|---|
 * | held: a program failed at the first start | held, clients wait | brings the whole app up |
 * | up | held | restarts the services that watch the file |
 *
 * A change during a restart stops the service, which ends that restart, and restarts it again. A new configuration
 * is applied as `newel up` does it: if it fails, the app runs as before.
 */
export class DevSession implements ForegroundDriver {
  readonly #source: DevSource;
  readonly #context: Context;
  readonly #watches: boolean;
  readonly #exits: DevExits;
  #config: ResolvedConfig;
  #isUp = false;
  #watchers: ServiceWatch[] = [];
  /** Changes during the first start are carried out after it. */
  #hasBegun = false;
  readonly #begun = Promise.withResolvers<void>();

  /** @param watches - whether changes restart services; else the sockets alone are held */
  constructor(source: DevSource, context: Context, watches: boolean) {
    this.#source = source;
    this.#context = context;
    this.#watches = watches;
    this.#config = source.config;
    this.#exits = new DevExits(context.output);
  }

  async begin(session: ForegroundSession): Promise<boolean> {
    const ports = new DevPorts(this.#source.ports, {
      session,
      output: this.#context.output,
      restart: () => this.#learned(session),
    });
    void ports.follow();
    // Before the start, so that no save during it is missed.
    this.#watch(session);
    let failures = await this.#apply(session, this.#source.config);
    if (this.#source.ports !== undefined && (await ports.avoid(failures)))
      failures = await this.#apply(session, this.#source.config);
    if (session.ending.aborted) return true;
    if (failures.length > 0) {
      const held = await this.#apply(session, heldConfig(this.#config));
      if (session.ending.aborted) return true;
      // What is wrong is no program: an address that is taken, a directory that is missing.
      if (held.length > 0) {
        for (const failure of held) printFailure(this.#context.output, failure);
        return false;
      }
      this.#fail(failures);
    }
    ports.ready();
    return true;
  }

  async work(session: ForegroundSession): Promise<void> {
    void this.#exits.follow(session, this.#config.name);
    this.#say(this.#describeWatch());
    this.#hasBegun = true;
    this.#begun.resolve();
    await new Promise<void>((resolve) =>
      session.ending.addEventListener("abort", () => resolve(), { once: true }),
    );
    this.#unwatch();
  }

  #say(text: string): void {
    this.#context.output.say(text);
  }

  /** Applies a configuration; the app is up if nothing failed and it has processes. */
  async #apply(session: ForegroundSession, config: ResolvedConfig): Promise<readonly Failure[]> {
    const names = config.services.map(({ name }) => name);
    const failures = await this.#exits.during(names, () =>
      this.#follow(session, () => session.supervisor().up(unwatchedConfig(config), { wait: true })),
    );
    if (failures.length > 0) return failures;
    const isUp = config.services.every(({ replicas }) => replicas > 0);
    this.#config = isUp ? config : this.#config;
    if (isUp && !session.ending.aborted) {
      const wasUp = this.#isUp;
      this.#isUp = true;
      if (!wasUp) await printSummary(config.name, this.#context, session.supervisor());
    }
    return [];
  }

  /** Follows a verb; only its failures are of interest, because the output of the programs is shown. */
  async #follow(
    session: ForegroundSession,
    verb: () => AsyncIterable<Progress>,
  ): Promise<readonly Failure[]> {
    const failures: Failure[] = [];
    const isSilent = (event: Progress): boolean => {
      if (event.type === "failed") failures.push(event);
      return event.type !== "note";
    };
    try {
      const { exitCode } = await followProgress(verb(), this.#context.output, { isSilent });
      return exitCode === EXIT.done || session.ending.aborted ? [] : failures;
    } catch (error) {
      if (session.ending.aborted || !isNewelError(error)) return [];
      const { code, message, fix } = error;
      return [{ type: "failed", service: "", code, message, fix, lines: [] }];
    }
  }

  /** One line for each program that failed; its output has the reason. */
  #fail(failures: readonly Failure[]): void {
    const ofPrograms = failures.filter(({ process }) => process !== undefined);
    const red = (text: string): string => this.#context.output.styleMessage("red", text);
    for (const { message } of ofPrograms.length > 0 ? ofPrograms : failures)
      this.#say(`${red("error:")} ${message}`);
    this.#say(WAITING);
  }

  #watch(session: ForegroundSession): void {
    this.#unwatch();
    const { reload } = this.#source;
    const directory = dirname(this.#config.file);
    if (reload !== undefined) {
      this.#watchers.push(
        this.#open({
          paths: [this.#config.file, ".env*"],
          ignore: [],
          debounceMs: CONFIG_DEBOUNCE_MS,
          base: directory,
          programs: [],
          restart: (files) => this.#reload(session, reload, files),
        }),
      );
    }
    if (!this.#watches) return;
    const own =
      reload === undefined ? [] : [relative(directory, this.#config.file), "./.env", "./.env.*"];
    const groups = watchGroups(this.#config);
    for (const { services, ...files } of groups)
      this.#watchers.push(
        this.#open({
          ...files,
          ignore: [...files.ignore, ...(files.base === directory ? own : [])],
          restart: (changed) => this.#restart(session, services, changed),
          interrupted: () => this.#interrupt(session, services),
        }),
      );
  }

  #describeWatch(): string {
    if (!this.#watches) return "Ctrl-C ends it.";
    return describeWatch(this.#config, watchGroups(this.#config), this.#context.cwd);
  }

  #open(
    options: Omit<ConstructorParameters<typeof ServiceWatch>[0], "leftOut" | "failed">,
  ): ServiceWatch {
    return new ServiceWatch({
      ...options,
      leftOut: (file) =>
        this.#say(
          `${this.#shown(file)} changes whenever the program starts: it is not watched any more.`,
        ),
      failed: (error) => {
        if (isNewelError(error)) printFailure(this.#context.output, error);
        else this.#say(messageOf(error));
      },
    });
  }

  #unwatch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
  }

  #shown(file: string): string {
    const path = relative(this.#context.cwd, file);
    return path.startsWith("../../") ? file : path;
  }

  #report(files: readonly string[], what: string): void {
    const [first = "", second, ...others] = files.map((file) => this.#shown(file));
    const more = others.length > 0 ? ` and ${others.length + 1} more` : second && ` and ${second}`;
    this.#say(this.#context.output.styleMessage("bold", `${first}${more ?? ""} changed: ${what}`));
  }

  async #restart(
    session: ForegroundSession,
    names: readonly string[],
    files: readonly string[],
  ): Promise<void> {
    await this.#begun.promise;
    if (session.ending.aborted) return;
    const startedMs = performance.now();
    this.#report(files, this.#isUp ? `restarting ${names.join(", ")}` : "starting again");
    const failures = this.#isUp
      ? await this.#exits.during(names, () =>
          this.#follow(session, () =>
            session.supervisor().restart({ app: this.#config.name, names }),
          ),
        )
      : await this.#apply(session, this.#source.config);
    if (session.ending.aborted || failures.some(({ message }) => /\bcancelled\b/.test(message)))
      return;
    if (failures.length > 0) return this.#fail(failures);
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
    const ready = names.filter((name) => !this.#exits.hasEnded(name));
    if (ready.length > 0) this.#say(`${ready.join(", ")} ready after ${seconds}s.`);
  }

  /** A stop ends the restart under way; the next restart follows at once, and clients wait. */
  #interrupt(session: ForegroundSession, names: readonly string[]): void {
    // A first start that is under way continues.
    if (!this.#hasBegun) return;
    const target = { app: this.#config.name, names };
    void this.#exits.during(names, () =>
      this.#follow(session, () => session.supervisor().stop(target)),
    );
  }

  /** The program listens on a port that was not expected: its next process gets the socket. */
  async #learned(session: ForegroundSession): Promise<void> {
    const { config } = this.#source;
    const names = config.services.map(({ name }) => name);
    const failures = await this.#exits.during(names, async () => {
      await this.#follow(session, () => session.supervisor().stop({ app: config.name, names }));
      return this.#apply(session, config);
    });
    if (failures.length > 0) this.#fail(failures);
    else await printSummary(config.name, this.#context, session.supervisor());
  }

  async #reload(
    session: ForegroundSession,
    load: () => Promise<ResolvedConfig>,
    files: readonly string[],
  ): Promise<void> {
    await this.#begun.promise;
    if (session.ending.aborted) return;
    this.#report(files, "reading the configuration");
    const before = this.#config;
    let config: ResolvedConfig;
    try {
      config = await load();
    } catch (error) {
      if (!isNewelError(error)) throw error;
      printFailure(this.#context.output, error);
      return this.#say(WAITING);
    }
    if (config.name !== before.name)
      return this.#say(`The app is ${config.name} now: end newel dev and start it again.`);
    const failures = await this.#apply(session, config);
    if (failures.length > 0) return this.#fail(failures);
    const isEnvironment = files.some((file) => file !== config.file);
    const same = config.services.filter(({ name, hash }) =>
      before.services.some((other) => other.name === name && other.hash === hash),
    );
    this.#watch(session);
    this.#say(this.#describeWatch());
    // Programs may read the .env files themselves.
    if (isEnvironment && same.length > 0)
      await this.#restart(
        session,
        same.map(({ name }) => name),
        files,
      );
  }
}

function describeWatch(
  { services }: ResolvedConfig,
  groups: readonly WatchGroup[],
  cwd: string,
): string {
  const watched = new Set(groups.flatMap((group) => group.services));
  const others = services.filter(({ name }) => !watched.has(name)).map(({ name }) => name);
  const paths = groups.flatMap(({ base, paths: listed }) =>
    listed.map((path) => {
      const shown = relative(cwd, base);
      return path === "." ? shown || "." : shown === "" ? path : `${shown}/${path}`;
    }),
  );
  const what =
    paths.length === 0 ? "Nothing is watched" : `Watching ${[...new Set(paths)].join(", ")}`;
  const left = others.length === 0 ? "" : `, but not for ${others.join(", ")}`;
  return `${what}${left} (Ctrl-C ends it).`;
}
