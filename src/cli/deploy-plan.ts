import { mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

import { hasCode } from "../base/errors.ts";
import { findHome } from "../base/home.ts";
import { makeDirectory } from "../base/make-directory.ts";
import { formatDuration, formatSize } from "../base/units.ts";
import { freeBytes } from "../deploy/check-release.ts";
import { layoutOf } from "../deploy/layout.ts";
import { releaseNumbers } from "../deploy/records.ts";
import { describeSource, fetchSource, type Source } from "../deploy/source.ts";
import type { UpPlan } from "../supervisor/api.ts";
import { findConfig } from "../supervisor/config/find.ts";
import { loadConfig, loadDeploySettings } from "../supervisor/config/load.ts";
import type { ResolvedDeploy } from "../supervisor/config/deploy-types.ts";
import type { Context } from "./command.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { formatPlan } from "./output/plan.ts";
import { planOf } from "./plan-of.ts";

/** The plan of a deploy, as `newel deploy --plan --json` prints it. */
interface DeployPlan {
  readonly app: string;
  readonly release: number;
  readonly source: string;
  readonly commit?: string;
  readonly freeBytes: number;
  readonly deploy: ResolvedDeploy;
  /** The changes of services; missing where the configuration can be read after `install` or `build` alone. */
  readonly changes?: UpPlan["changes"];
  /** Why the changes are missing. */
  readonly unknown?: string;
}

/** Prints the steps of a deploy: the source is fetched into a temporary directory, and nothing else is changed. */
export async function printDeployPlan(
  source: Source,
  { app, below }: { readonly app: string; readonly below: string },
  context: Context,
): Promise<ExitCode> {
  const { environment, output } = context;
  const layout = layoutOf(findHome(environment), app);
  makeDirectory(layout.directory, 0o700);
  const directory = mkdtempSync(join(layout.directory, "plan-"));
  try {
    const top = await fetchSource(source, directory, app);
    const file = findConfig(join(top, below), undefined);
    const cwd = dirname(file);
    const { deploy } = await loadDeploySettings({ file, cwd, environment });
    const plan: DeployPlan = {
      app,
      release: (releaseNumbers(layout).at(-1) ?? 0) + 1,
      source: describeSource(source),
      ...(source.kind === "directory" || source.commit === undefined
        ? {}
        : { commit: source.commit }),
      freeBytes: freeBytes(layout.directory),
      deploy,
    };
    const changes = await changesOf({ file, cwd, app }, context);
    if (output.json) output.printDocument({ ...plan, ...withoutMove(changes) });
    else {
      for (const line of describe(plan)) output.print(line);
      if ("unknown" in changes) output.print(changes.unknown);
      else
        for (const line of formatPlan(app, { changes: changes.changes }, output))
          output.print(`  ${line}`);
      for (const line of describeEnd(deploy)) output.print(line);
    }
    return EXIT.done;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function withoutMove(changes: Changes): Changes {
  return "unknown" in changes ? changes : { changes: changes.changes };
}

type Changes = { readonly changes: UpPlan["changes"] } | { readonly unknown: string };

/** The changes of the services, as far as the configuration can be read before the release is built. */
async function changesOf(
  { file, cwd, app }: { readonly file: string; readonly cwd: string; readonly app: string },
  context: Context,
): Promise<Changes> {
  try {
    const config = await loadConfig({ file, cwd, environment: context.environment });
    return await planOf({ ...config, name: app, nameFrom: "configuration" }, true, context);
  } catch (error) {
    const isEarly = hasCode(error, "NEWEL_E_CONFIG") || hasCode(error, "NEWEL_E_CANNOT_START");
    if (!isEarly || !(error instanceof Error)) throw error;
    return { unknown: `  The changes of services are known after the build: ${error.message}` };
  }
}

function describe({ app, release, source, commit, freeBytes: free, deploy }: DeployPlan): string[] {
  const { commands, timeoutMs, shared, assets } = deploy;
  const limit = `(at most ${formatDuration(timeoutMs)})`;
  const step = (name: keyof ResolvedDeploy["commands"]): string[] => {
    const line = commands[name];
    return line === undefined ? [] : [`${name}: ${line}  ${limit}`];
  };
  return [
    `Release ${release} of ${app}: ${source}${commit === undefined ? "" : ` ${commit.slice(0, 8)}`}, ${formatSize(free)} free`,
    ...(shared.length === 0 ? [] : [`shared: ${shared.join(", ")}`]),
    ...(assets.length === 0 ? [] : [`assets of earlier releases: ${assets.join(", ")}`]),
    ...step("install"),
    ...step("build"),
    ...step("test"),
    "check: the configuration and its programs",
    ...step("migrate"),
    "switch:",
  ];
}

function describeEnd({ verify, keep, commands }: ResolvedDeploy): string[] {
  const { forMs, http, maxErrors, command } = verify;
  const parts = [
    `watch the services for ${formatDuration(forMs)}`,
    ...(http === undefined ? [] : [`ask ${http}`]),
    ...(maxErrors === undefined ? [] : [`allow ${maxErrors} error responses`]),
    ...(command === undefined ? [] : [`run ${command}`]),
  ];
  const down = commands.migrateDown;
  return [
    `verify: ${parts.join(", ")}`,
    `A failure switches back${down === undefined ? "" : ` and runs ${down}`}. ${keep} releases are kept.`,
  ];
}
