import { existsSync } from "node:fs";
import { resolve } from "node:path";

import { hasCode, newelError } from "../../base/errors.ts";
import { DEFAULT_STORE, Jobs } from "../../jobs/jobs.ts";
import { parseConnection } from "../../jobs/sqlite/connection.ts";
import { loadConfig } from "../../supervisor/config/load.ts";
import { type Arguments, type Context, CONFIG_OPTION, type Options } from "../command.ts";

export const STORE_OPTION: Options = {
  store: {
    value: "URL",
    summary: "where the jobs are (default: of the configuration, else $NEWEL_JOBS_STORE)",
  },
  ...CONFIG_OPTION,
};

/** A store, and what said that it is the one. */
interface Named {
  readonly url: string;
  readonly by: string;
}

/**
 * Runs `use` with the jobs that a command line means.
 *
 * @param mayMake - whether the file is made when it is not there
 * @throws NEWEL_E_JOBS_NO_STORE there is no such file
 */
export async function withJobs<Value>(
  args: Arguments,
  context: Context,
  use: (jobs: Jobs) => Promise<Value>,
  mayMake = false,
): Promise<Value> {
  const { url, by } = await findStore(args, context);
  const store = absolute(url, context.cwd);
  if (!mayMake && store.startsWith("sqlite:")) {
    const { path } = parseConnection(store);
    if (!existsSync(path)) throw newelError("NEWEL_E_JOBS_NO_STORE", { path, by });
  }
  await using jobs = new Jobs({ store });
  return await use(jobs);
}

async function findStore(args: Arguments, context: Context): Promise<Named> {
  const { cwd, environment } = context;
  const given = args.text("store");
  if (given !== undefined) return { url: given, by: "--store" };
  const configured = await storeOfConfig(args, context);
  if (configured !== undefined) return configured;
  const set = environment["NEWEL_JOBS_STORE"];
  if (set !== undefined && set !== "") return { url: set, by: "$NEWEL_JOBS_STORE" };
  return { url: DEFAULT_STORE, by: `the default in ${cwd}` };
}

/** Every service of an app with a job server has its store in the environment. */
async function storeOfConfig(
  args: Arguments,
  { cwd, environment }: Context,
): Promise<Named | undefined> {
  const file = args.text("config");
  try {
    const options = { cwd, environment, ...(file === undefined ? {} : { file }) };
    const { services, file: by } = await loadConfig(options);
    const url = services.find(({ name }) => name === "jobs")?.env["NEWEL_JOBS_STORE"];
    return url === undefined ? undefined : { url, by };
  } catch (error) {
    if (file === undefined && hasCode(error, "NEWEL_E_CONFIG_MISSING")) return undefined;
    throw error;
  }
}

/** A file is below the directory of the command line. */
function absolute(url: string, cwd: string): string {
  const [, path, query = ""] = /^sqlite:([^/?][^?]*)(\?.*)?$/.exec(url) ?? [];
  return path === undefined ? url : `sqlite:${resolve(cwd, path)}${query}`;
}
