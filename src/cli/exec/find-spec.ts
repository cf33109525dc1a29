import { findHome } from "../../base/home.ts";
import { hasCode, newelError } from "../../base/errors.ts";
import { closest } from "../../base/names.ts";
import { findConfig } from "../../supervisor/config/find.ts";
import type { ResolvedConfig, ResolvedService } from "../../supervisor/config/resolved.ts";
import type { Arguments, Context } from "../command.ts";
import { readConfig } from "../config.ts";
import { findKernel } from "../reach.ts";

/** The settings of a service, and the replica whose numbers are meant. */
export interface Found {
  readonly app: string;
  readonly spec: ResolvedService;
  /** The number of the replica, from 1. */
  readonly replica: number;
}

/**
 * The service that a word of the command line means, with the settings that it runs with; with those of the
 * configuration here where its app is not up, or where -c names a file. Nothing is started.
 *
 * @throws NEWEL_E_NO_SERVICE with the nearest name, NEWEL_E_AMBIGUOUS where several apps have the service
 */
export async function findSpec(word: string, args: Arguments, context: Context): Promise<Found> {
  const isFileNamed = args.text("config") !== undefined || args.text("file") !== undefined;
  if (isFileNamed) return only(word, [await readConfig(args, context)], args.text("app"));
  const up = await runningConfigs(context);
  const here = nearestFile(context);
  const isHereUp = up.some(({ file }) => file === here);
  const app =
    args.text("app") ?? (isHereUp ? up.find(({ file }) => file === here)?.name : undefined);
  // In the directory of an app that is not up, a name means a service of that app.
  if (app === undefined && here !== undefined && !word.includes("/"))
    return only(word, [await readConfig(args, context)], undefined);
  return only(word, up, app);
}

/** The configurations of the apps that are up, by the kernel or, while none runs, by its journal. */
async function runningConfigs(context: Context): Promise<ResolvedConfig[]> {
  const { readHeld } = await import("../why/observe.ts");
  const { storedApps } = await import("../../supervisor/stored-apps.ts");
  const kernel = await findKernel(context);
  try {
    const { apps } = await readHeld(kernel, () => storedApps(findHome(context.environment)));
    return [...apps.values()].map(({ config }) => config);
  } finally {
    await kernel?.close();
  }
}

function nearestFile({ cwd }: Context): string | undefined {
  try {
    return findConfig(cwd, undefined);
  } catch (error) {
    if (hasCode(error, "NEWEL_E_CONFIG_MISSING")) return undefined;
    throw error;
  }
}

/** The one service of these apps that the word means: `web`, `web.2`, `shop/web`. */
function only(word: string, configs: readonly ResolvedConfig[], app: string | undefined): Found {
  const all = configs
    .filter(({ name }) => app === undefined || name === app)
    .flatMap(({ name, services }) => services.map((spec) => ({ app: name, spec })));
  const [, base = "", number = ""] = /^(.+)\.([1-9]\d*)$/.exec(word) ?? [];
  const isMeant = (text: string) => (each: (typeof all)[number]) =>
    text === each.spec.name || text === `${each.app}/${each.spec.name}`;
  const exact = all.filter(isMeant(word));
  const found = exact.length > 0 ? exact : all.filter(isMeant(base));
  const [first] = found;
  if (first === undefined) {
    const near = closest(
      word,
      all.map(({ spec }) => spec.name),
    );
    const hint = near === undefined ? "" : `. Did you mean ${near}?`;
    throw newelError("NEWEL_E_NO_SERVICE", { name: word, hint });
  }
  if (found.length > 1) {
    const matches = found.map((each) => `${each.app}/${each.spec.name}`).join(", ");
    throw newelError("NEWEL_E_AMBIGUOUS", { name: word, matches });
  }
  return { ...first, replica: exact.length > 0 ? 1 : Number(number) };
}
