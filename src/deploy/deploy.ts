import { rmSync } from "node:fs";
import { dirname } from "node:path";

import { isNewelError, messageOf, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { loadConfig, loadDeploySettings } from "../supervisor/config/load.ts";
import type { ResolvedDeploy } from "../supervisor/config/deploy-types.ts";
import type { ResolvedConfig } from "../supervisor/config/resolved.ts";
import { AppSwitch, type Daemons, SwitchFailed, untouched } from "./app-switch.ts";
import { changedEnv, checkStore, freeBytes, LEAST_BYTES, sizeOf } from "./check-release.ts";
import { runCommand } from "./command.ts";
import { type Layout, layoutOf, releaseDirectory } from "./layout.ts";
import { makeLive } from "./live.ts";
import { migrateDown } from "./migrate-down.ts";
import { pruneReleases } from "./prune.ts";
import { filesBelow, type Release, readReleases, type Step, writeRelease } from "./records.ts";
import { linkAssets, linkShared } from "./shared.ts";
import { removeUndoNote, type UndoNote, writeUndoNote } from "./undo-note.ts";
import { baselineOf, watchRelease } from "./verify.ts";

/** The outside of a deploy. */
export interface DeployParts extends Daemons {
  readonly home: Home;
  readonly environment: NodeJS.ProcessEnv;
  /** Aborts when the deploy is cancelled. */
  readonly signal: AbortSignal;
  /** Receives the output of the deploy, as text that includes the line breaks. */
  readonly print: (text: string) => void;
  /** Gets the step or the state that a release has reached: `install`, `live`, `failed`. */
  readonly mark: (release: Release, reached: string) => void;
}

/**
 * One deploy: it prepares a fetched release in its own directory, switches the services of the app to it, watches
 * it, and switches back when a step fails. Each step is recorded before it begins.
 */
export class Deploy {
  readonly #parts: DeployParts;
  readonly #layout: Layout;
  readonly #switch: AppSwitch;
  #release: Release;
  #step: Step = "fetch";
  #settings: ResolvedDeploy | undefined;
  #note: UndoNote | undefined;

  constructor(release: Release, parts: DeployParts) {
    this.#parts = parts;
    this.#layout = layoutOf(parts.home, release.app);
    this.#release = release;
    this.#switch = new AppSwitch(release.app, parts, (text) => this.#say(text));
  }

  /**
   * Deploys a release that was fetched.
   *
   * @throws NEWEL_E_DEPLOY_FAILED when a step failed; the app is as it was before
   */
  async run(): Promise<void> {
    const { number, app } = this.#release;
    try {
      this.#save({});
      await this.#perform();
      this.#release = makeLive(this.#layout, this.#release);
    } catch (error) {
      throw await this.#fail(error);
    }
    this.#finish();
    this.#say(`Release ${number} of ${app} is live.`);
  }

  async #perform(): Promise<void> {
    const directory = dirname(this.#release.file);
    const settings = await this.#loadSettings();
    linkShared(this.#layout, directory, settings.shared);
    for (const name of ["install", "build", "test"] as const) {
      this.#begin(name);
      await this.#command(name, settings, {});
    }
    this.#begin("check");
    const config = await this.#check(directory, settings);
    this.#begin("migrate");
    if (settings.commands.migrate !== undefined) {
      await this.#remember(settings);
      await this.#command("migrate", settings, config.services[0]?.env ?? {});
      this.#save({ migrated: true });
    }
    await this.#remember(settings);
    this.#begin("switch");
    await this.#switch.to(config);
    this.#begin("verify");
    await this.#verify(settings, config);
  }

  /**
   * Switches an app back to a release that was live.
   *
   * @throws NEWEL_E_DEPLOY_FAILED when it could not be switched; the app is as it was before
   */
  async rollBack(): Promise<void> {
    const { file, number, app } = this.#release;
    let before: string | undefined;
    try {
      const config = await this.#load(dirname(file));
      await this.#loadSettings();
      before = await this.#switch.stored();
      this.#parts.mark(this.#release, "rollback");
      await this.#switch.to(config);
    } catch (error) {
      const why = sentence(error);
      const isWhole = error instanceof SwitchFailed && !error.isHalfway;
      const state = isWhole ? "" : ` ${await this.#switch.back(before, file)}`;
      this.#parts.mark(this.#release, "rollback failed");
      throw newelError("NEWEL_E_DEPLOY_FAILED", { number, app, step: "switch", why, state }, error);
    }
    this.#release = makeLive(this.#layout, this.#release);
    this.#finish();
    this.#say(`Release ${number} of ${app} is live again.`);
  }

  /** Begins a step, unless the deploy was cancelled. */
  #begin(step: Step): void {
    this.#step = step;
    if (this.#parts.signal.aborted) throw new Error("it was cancelled");
    this.#save({ step });
    this.#parts.mark(this.#release, step);
  }

  /** Keeps the present state of the app, to which an interrupted deploy is undone. */
  async #remember({ commands }: ResolvedDeploy): Promise<void> {
    const { environment } = this.#parts;
    this.#note = {
      before: (await this.#switch.stored()) ?? null,
      environment: commands.migrateDown === undefined ? {} : definedOf(environment),
    };
    writeUndoNote(this.#layout, this.#release.number, this.#note);
  }

  /** Runs one of the configured commands. */
  async #command(
    name: keyof ResolvedDeploy["commands"],
    { commands, timeoutMs }: ResolvedDeploy,
    env: Readonly<Record<string, string>>,
  ): Promise<void> {
    const line = commands[name];
    if (line === undefined) return;
    this.#say(`${name}: ${line}`);
    const { environment, signal, print } = this.#parts;
    const directory = dirname(this.#release.file);
    await runCommand({
      line,
      cwd: directory,
      environment: { ...environment, ...env, PWD: directory },
      limitMs: timeoutMs,
      signal,
      print,
    });
  }

  /** Checks the built release: its configuration, its name, its store, and whether the supervisor accepts it. */
  async #check(directory: string, { assets }: ResolvedDeploy): Promise<ResolvedConfig> {
    const { app, number } = this.#release;
    const config = await this.#load(directory);
    if (config.name !== app)
      throw newelError("NEWEL_E_DEPLOY_NAME", { app, theirs: config.name, number });
    checkStore(config, releaseDirectory(this.#layout, number));
    const own = assets.flatMap((path) => filesBelow(directory, path));
    const earlier = readReleases(this.#layout).filter(
      ({ number: other, state }) => other < number && (state === "live" || state === "former"),
    );
    linkAssets(
      directory,
      earlier
        .reverse()
        .map(({ file: path, assets: files = [] }) => ({ directory: dirname(path), files })),
    );
    const supervisor = await this.#parts.supervisor();
    await supervisor.plan(config, { move: true });
    this.#save({
      assets: own,
      bytes: sizeOf(releaseDirectory(this.#layout, number)),
      changedEnv: changedEnv(await this.#switch.running(), config),
    });
    return config;
  }

  /** The settings of `deploy`, which can be read before the release is built. */
  async #loadSettings(): Promise<ResolvedDeploy> {
    const { file } = this.#release;
    const { environment } = this.#parts;
    const { deploy } = await loadDeploySettings({ file, cwd: dirname(file), environment });
    return (this.#settings = deploy);
  }

  /** The configuration of the release; `newel deploy` has settled that the app is meant, where it has no name. */
  async #load(directory: string): Promise<ResolvedConfig> {
    const { environment } = this.#parts;
    const config = await loadConfig({ file: this.#release.file, cwd: directory, environment });
    return { ...config, nameFrom: "configuration" };
  }

  async #verify(settings: ResolvedDeploy, { name }: ResolvedConfig): Promise<void> {
    const { signal } = this.#parts;
    const supervisor = await this.#parts.supervisor();
    const services = () => supervisor.list({ app: name, names: [] });
    const metrics = () => supervisor.metrics({ apps: [name] });
    const { forMs, http, command } = settings.verify;
    this.#say(`verify: watching for ${forMs / 1_000}s${http === undefined ? "" : `, ${http}`}`);
    const baseline = baselineOf(await services());
    const trouble = await watchRelease(settings.verify, baseline, {
      services,
      metrics,
      signal,
    });
    if (trouble !== undefined) throw new Error(trouble);
    if (command === undefined) return;
    await this.#command("test", { ...settings, commands: { test: command } }, {});
  }

  /** Brings the app back to the state of before, and records the failure. */
  async #fail(error: unknown): Promise<Error> {
    const { number, app, file } = this.#release;
    const why = sentence(error);
    const state = await this.#bringBack(error, file);
    const down = await migrateDown(this.#release, {
      settings: this.#settings,
      environment: this.#parts.environment,
      print: this.#parts.print,
    });
    const space = this.#makeRoom();
    try {
      this.#save({ state: "failed", step: this.#step, why });
      removeUndoNote(this.#layout, number);
    } catch (problem) {
      // The next command marks the release, which has no process any more.
      this.#say(`The record of release ${number} could not be written: ${messageOf(problem)}`);
    }
    this.#parts.mark(this.#release, `failed at ${this.#step}`);
    const parts = [state, down, space].filter((text) => text !== "").map((text) => ` ${text}`);
    return newelError(
      "NEWEL_E_DEPLOY_FAILED",
      { number, app, step: this.#step, why, state: parts.join("") },
      error,
    );
  }

  /** The state of the app after a failure, as a sentence; empty where the failure says it. */
  async #bringBack(error: unknown, file: string): Promise<string> {
    const isSwitched = this.#step === "switch" || this.#step === "verify";
    if (!isSwitched || this.#note === undefined) return untouched(await this.#switch.stored());
    const before = this.#note.before ?? undefined;
    if (error instanceof SwitchFailed && !error.isHalfway)
      return error.saysState ? "" : untouched(before);
    return this.#switch.back(before, file);
  }

  /** A failed release is kept for inspection, but not at the cost of the services that write on this disk. */
  #makeRoom(): string {
    if (freeBytes(this.#layout.releases) >= LEAST_BYTES) return "";
    rmSync(releaseDirectory(this.#layout, this.#release.number), { recursive: true, force: true });
    return "Its directory was removed, because the disk is nearly full.";
  }

  /** An error of this work cannot undo a release that is already live. */
  #finish(): void {
    this.#parts.mark(this.#release, "live");
    try {
      if (this.#settings !== undefined) pruneReleases(this.#layout, this.#settings.keep);
    } catch (error) {
      this.#say(`Old releases could not be removed: ${messageOf(error)}`);
    }
  }

  #save(change: Partial<Release>): void {
    this.#release = { ...this.#release, ...change };
    writeRelease(this.#layout, this.#release);
  }

  #say(text: string): void {
    this.#parts.print(`${text}\n`);
  }
}

function sentence(error: unknown): string {
  return (isNewelError(error) ? error.message : messageOf(error)).replace(/\.$/, "");
}

function definedOf(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((each): each is [string, string] => each[1] !== undefined),
  );
}
