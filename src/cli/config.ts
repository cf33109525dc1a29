import { loadConfig } from "../supervisor/config/load.ts";
import type { ResolvedConfig } from "../supervisor/config/resolved.ts";
import type { Arguments, Context } from "./command.ts";

/**
 * The configuration a command is given with -c, or the nearest one.
 *
 * @throws NEWEL_E_CONFIG, NEWEL_E_CONFIG_MISSING
 */
export function readConfig(
  args: Arguments,
  { cwd, environment }: Context,
): Promise<ResolvedConfig> {
  const file = args.text("config");
  return loadConfig({ cwd, environment, ...(file === undefined ? {} : { file }) });
}
