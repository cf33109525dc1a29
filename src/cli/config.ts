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
  { cwd, environment, output }: Context,
): Promise<ResolvedConfig> {
  const file = args.text("config") ?? args.text("file");
  const profiles = args.text("profile")?.split(",");
  const onForeign = (sentence: string): void => output.say(sentence);
  const named = file === undefined ? {} : { file };
  return loadConfig({ cwd, environment, profiles, onForeign, ...named });
}
