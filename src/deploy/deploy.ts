import { existsSync, realpathSync, renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { isNewelError, messageOf, newelError } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { Progress, SupervisorApi } from "../supervisor/api.ts";
import { parseStoredApp } from "../supervisor/app.ts";
import { loadConfig, loadDeploySettings } from "../supervisor/config/load.ts";
import type { ResolvedDeploy } from "../supervisor/config/deploy-types.ts";
import type { ResolvedConfig } from "../supervisor/config/resolved.ts";
import { appValueName } from "../supervisor/process-names.ts";
import type { Remote } from "../wire/contract.ts";
import { runCommand } from "./command.ts";
import { type Layout, layoutOf, releaseDirectory } from "./layout.ts";
import { pruneReleases } from "./prune.ts";
import { filesBelow, type Release, readReleases, type Step, writeRelease } from "./records.ts";
import { linkAssets, linkShared } from "./shared.ts";
import { baselineOf, watchRelease } from "./verify.ts";

/** The outside of a deploy. */
export interface DeployParts {
  readonly home: Home;
  readonly kernel: KernelClient;
  readonly supervisor: Remote<SupervisorApi>;
  readonly environment: NodeJS.ProcessEnv;
  /** Aborts when the deploy is cancelled. */
  readonly signal: AbortSignal;
  /** Gets the output of the deploy, as text with its line ends. */
  readonly print: (text: string) => void;
}

/**
 * One deploy: it prepares a fetched release in its own directory, switches the services of the app to it, watches
 * it, and switches back when a step fails. Each step is recorded before it begins.
 */
export class Deploy {
  readonly #parts: DeployParts;
  readonly #layout: Layout;
  #release: Release;

  constructor(release: Release, parts: DeployParts) {
    this.#parts = parts;
    this.#layout = layoutOf(parts.home, release.app);
    this.#release = release;
  }

  /**
   * Deploys a release that was fetched.
   *
   * @throws NEWEL_E_DEPLOY_FAILED when a step failed; the app is as it was before
   */
  async run(): Promise<void> {
    const { number, app, file } = this.#release;
    const directory = dirname(file);
    let step: Step = "fetch";
    this.#save({});
    const before = await this.#runningConfig();
    let settings: ResolvedDeploy | undefined;
    const begin = (next: Step): void => {
      step = next;
      this.#checkCancelled();
      this.#save({ step });
    };
    try {
      settings = await this.#settings();
      linkShared(this.#layout, directory, settings.shared);
      for (const name of ["install", "build", "test"] as const) {
        begin(name);
        await this.#command(name, settings, directory, {});
      }
      begin("check");
      const config = await this.#check(directory, settings);
      begin("migrate");
      await this.#command("migrate", settings, directory, config.services[0]?.env ?? {});
      if (settings.commands.migrate !== undefined) this.#save({ migrated: true });
      begin("switch");
      await this.#switchTo(config);
      begin("verify");
      await this.#verify(settings, config, directory);
    } catch (error) {
      throw await this.#fail(error, { step, before, settings, directory });
    }
    this.#becomeLive(settings);
    this.#say(`Release ${number} of ${app} is live.`);
  }

  /**
   * Switches an app back to a release that was live.
   *
   * @throws NEWEL_E_DEPLOY_FAILED when it could not be switched; the app is as it was before
   */
  async rollBack(): Promise<void> {
    const { file, number, app } = this.#release;
    let settings: ResolvedDeploy | undefined;
    try {
      const config = await this.#load(dirname(file));
      settings = await this.#settings();
      await this.#switchTo(config);
    } catch (error) {
      const why = messageOf(error);
      throw newelError(
        "NEWEL_E_DEPLOY_FAILED",
        { number, app, step: "switch", why, state: "" },
        error,
      );
    }
    this.#becomeLive(settings);
    this.#say(`Release ${number} of ${app} is live again.`);
  }

  /** Runs one of the configured commands. */
  async #command(
    name: keyof ResolvedDeploy["commands"],
    { commands, timeoutMs }: ResolvedDeploy,
    directory: string,
    env: Readonly<Record<string, string>>,
  ): Promise<void> {
    const line = commands[name];
    if (line === undefined) return;
    this.#say(`${name}: ${line}`);
    const { environment, signal, print } = this.#parts;
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
    const { supervisor } = this.#parts;
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
    await supervisor.plan(config, { move: true });
    this.#save({
      assets: own,
      bytes: sizeOf(releaseDirectory(this.#layout, number)),
      changedEnv: changedEnv(await this.#runningConfig(), config),
    });
    return config;
  }

  /** The settings of `deploy`, which can be read before the release is built. */
  async #settings(): Promise<ResolvedDeploy> {
    const { file } = this.#release;
    const { environment } = this.#parts;
    const { deploy } = await loadDeploySettings({ file, cwd: dirname(file), environment });
    return deploy;
  }

  /** The configuration of the release; `newel deploy` has settled that the app is meant, where it has no name. */
  async #load(directory: string): Promise<ResolvedConfig> {
    const { environment } = this.#parts;
    const config = await loadConfig({ file: this.#release.file, cwd: directory, environment });
    return { ...config, nameFrom: "configuration" };
  }

  /** The configuration that the app runs now. */
  async #runningConfig(): Promise<ResolvedConfig | undefined> {
    const stored = await this.#parts.kernel.values.get(appValueName(this.#release.app));
    return stored === undefined ? undefined : parseStoredApp(stored, 0).config;
  }

  async #switchTo(config: ResolvedConfig): Promise<void> {
    const failures: Extract<Progress, { type: "failed" }>[] = [];
    let ok = false;
    for await (const event of this.#parts.supervisor.up(config, { wait: true, move: true })) {
      if (event.type === "end") ok = event.ok;
      else if (event.type === "failed") failures.push(event);
      else if (event.type === "step" || event.type === "note") this.#say(`  ${event.text}`);
    }
    if (ok) return;
    for (const { lines, process, service } of failures) {
      if (lines.length === 0) continue;
      this.#say(`The last lines of ${process ?? service}:`);
      for (const line of lines) this.#say(`  | ${line}`);
    }
    throw new Error(
      failures.map(({ message }) => message).join(" ") || "the supervisor refused it",
    );
  }

  async #verify(
    settings: ResolvedDeploy,
    { name }: ResolvedConfig,
    directory: string,
  ): Promise<void> {
    const { supervisor, signal } = this.#parts;
    const services = () => supervisor.list({ app: name, names: [] });
    const { forMs, http, command } = settings.verify;
    this.#say(`verify: watching for ${forMs / 1_000}s${http === undefined ? "" : `, ${http}`}`);
    const baseline = baselineOf(await services());
    const trouble = await watchRelease(settings.verify, baseline, { services, signal });
    if (trouble !== undefined) throw new Error(trouble);
    if (command === undefined) return;
    const only = { ...settings, commands: { test: command } };
    await this.#command("test", only, directory, {});
  }

  /** Brings the app back to where it was, and records the failure. */
  async #fail(
    error: unknown,
    left: {
      readonly step: Step;
      readonly before: ResolvedConfig | undefined;
      readonly settings: ResolvedDeploy | undefined;
      readonly directory: string;
    },
  ): Promise<Error> {
    const { step, before, settings, directory } = left;
    const { number, app, migrated } = this.#release;
    const why = (isNewelError(error) ? error.message : messageOf(error)).replace(/\.$/, "");
    // The supervisor's message of a failed switch has the state already.
    const state =
      step === "verify" ? await this.#goBack(before) : step === "switch" ? "" : stateText(before);
    const down = migrated === true ? await this.#migrateDown(settings, directory) : "";
    this.#save({ state: "failed", step, why });
    return newelError(
      "NEWEL_E_DEPLOY_FAILED",
      { number, app, step, why, state: `${state}${down}` },
      error,
    );
  }

  /** After the switch: back to the configuration of before, or down when there was none. */
  async #goBack(before: ResolvedConfig | undefined): Promise<string> {
    const { supervisor } = this.#parts;
    const { app } = this.#release;
    this.#say(before === undefined ? `Taking ${app} down.` : `Switching ${app} back.`);
    try {
      if (before !== undefined) await this.#switchTo(before);
      else for await (const _ of supervisor.down(app));
      return stateText(before);
    } catch (error) {
      return ` Switching back failed too: ${messageOf(error)}`;
    }
  }

  async #migrateDown(settings: ResolvedDeploy | undefined, directory: string): Promise<string> {
    const migration = settings?.commands.migrate ?? "";
    if (settings?.commands.migrateDown === undefined)
      return ` The migration \`${migration}\` has run and was not undone.`;
    try {
      await this.#command("migrateDown", settings, directory, {});
      return ` The migration \`${migration}\` was undone.`;
    } catch (error) {
      return ` The migration \`${migration}\` has run, and undoing it failed: ${messageOf(error)}`;
    }
  }

  #becomeLive(settings: ResolvedDeploy | undefined): void {
    const { number } = this.#release;
    for (const release of readReleases(this.#layout)) {
      if (release.number !== number && release.state === "live")
        writeRelease(this.#layout, { ...release, state: "former" });
    }
    this.#save({ state: "live", liveMs: Date.now() });
    pointTo(this.#layout.current, dirname(this.#release.file));
    if (settings !== undefined) pruneReleases(this.#layout, settings.keep);
  }

  #checkCancelled(): void {
    if (this.#parts.signal.aborted) throw new Error("it was cancelled");
  }

  #save(change: Partial<Release>): void {
    this.#release = { ...this.#release, ...change };
    writeRelease(this.#layout, this.#release);
  }

  #say(text: string): void {
    this.#parts.print(`${text}\n`);
  }
}

function stateText(before: ResolvedConfig | undefined): string {
  return before === undefined ? " The app is not up, as before." : " The app runs as before.";
}

/** Replaces a symbolic link in one step. */
function pointTo(link: string, target: string): void {
  const temporary = `${link}.new`;
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, link);
}

/**
 * A job store in the directory of a release would stay there.
 *
 * @throws NEWEL_E_DEPLOY_DATA
 */
function checkStore({ services }: ResolvedConfig, release: string): void {
  for (const { env } of services) {
    const [, path] = /^sqlite:([^?]*)/.exec(env["NEWEL_JOBS_STORE"] ?? "") ?? [];
    if (path === undefined) continue;
    const real = join(realDirectory(dirname(path)), path.slice(dirname(path).length));
    if (!relative(realpathSync(release), real).startsWith(".."))
      throw newelError("NEWEL_E_DEPLOY_DATA", { path });
  }
}

/** The real path of a directory that need not exist yet. */
function realDirectory(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const parent = dirname(path);
  return parent === path ? path : join(realDirectory(parent), path.slice(parent.length));
}

/** The bytes of the files below a directory. */
function sizeOf(directory: string): number {
  return filesBelow(directory).reduce(
    (sum, file) => sum + (statSync(join(directory, file), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** Names of variables that a service has with another value, or that it did not have or has no longer. */
function changedEnv(before: ResolvedConfig | undefined, after: ResolvedConfig): string[] {
  const names = new Set<string>();
  for (const { name, env } of after.services) {
    const old = before?.services.find((service) => service.name === name)?.env;
    if (old === undefined) continue;
    for (const key of new Set([...Object.keys(old), ...Object.keys(env)]))
      if (old[key] !== env[key]) names.add(key);
  }
  return [...names].sort();
}
