import { existsSync } from "node:fs";

import { hasCode, newelError } from "../../base/errors.ts";
import { absoluteStore, defaultStore } from "../../jobs/default-store.ts";
import { Jobs } from "../../jobs/jobs.ts";
import { parseConnection } from "../../jobs/sqlite/connection.ts";
import { loadConfig } from "../../supervisor/config/load.ts";
import { type Arguments, type Context, CONFIG_OPTION, type Options } from "../command.ts";

export const STORE_OPTION: Options = {
  store: {
    value: "URL",
    summary: "the store of the jobs (default: of the configuration, else $NEWEL_JOBS_STORE)",
  },
  ...CONFIG_OPTION,
};

/** A store, and the setting that names it. */
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
  const { url: store, by } = await findStore(args, context);
  if (!mayMake && store.startsWith("sqlite:")) {
    const { path } = parseConnection(store);
    if (!existsSync(path)) throw newelError("NEWEL_E_JOBS_NO_STORE", { path, by });
  }
  await using jobs = new Jobs({ store });
  return await use(jobs);
}

/** The store that a command line means; a file is below the directory of the command line. */
export async function findStore(args: Arguments, context: Context): Promise<Named> {
  const { url, by } = await nameStore(args, context);
  return { url: absoluteStore(url, context.cwd), by };
}

async function nameStore(args: Arguments, context: Context): Promise<Named> {
  const { cwd, environment } = context;
  const given = args.text("store");
  if (given !== undefined) return { url: given, by: "--store" };
  const configured = await storeOfConfig(args.text("config"), context);
  if (configured !== undefined) return configured;
  const set = environment["NEWEL_JOBS_STORE"];
  if (set !== undefined && set !== "") return { url: set, by: "$NEWEL_JOBS_STORE" };
  return { url: defaultStore(cwd), by: `the default in ${cwd}` };
}

/**
 * The store of a configuration: every service of an app with a job server has it in the environment.
 *
 * @param file - the configuration; by default the nearest one, which may be missing
 */
export async function storeOfConfig(
  file: string | undefined,
  { cwd, environment }: Context,
): Promise<Named | undefined> {
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
