import { hasCode, isNewelError, newelError } from "../base/errors.ts";
import type { ServiceView, Target } from "../supervisor/api.ts";
import type { ResolvedService } from "../supervisor/config/resolved.ts";
import type { Context } from "./command.ts";
import type { Supervisor } from "./reach.ts";

/**
 * Checks that a verb that starts services has something to start.
 *
 * @throws NEWEL_E_NO_REPLICAS for a service that is scaled to 0, unless others were meant too
 * @throws NEWEL_E_NOT_UP for a service of the configuration here that is not up, NEWEL_E_NO_SERVICE for any other
 */
export async function checkReplicas(
  supervisor: Supervisor,
  target: Target,
  context: Context,
): Promise<void> {
  const services = await listServices(supervisor, target, context);
  const empty = services.filter(({ replicas }) => replicas === 0);
  const named = empty.find(({ app, name }) =>
    target.names.some((word) => word === name || word === `${app}/${name}`),
  );
  const [first] = empty;
  const refused = named ?? (empty.length === services.length ? first : undefined);
  if (refused !== undefined) throw newelError("NEWEL_E_NO_REPLICAS", { service: refused.name });
}

async function listServices(
  supervisor: Supervisor,
  target: Target,
  context: Context,
): Promise<readonly ServiceView[]> {
  try {
    return await supervisor.list(target);
  } catch (error) {
    if (!hasCode(error, "NEWEL_E_NO_SERVICE")) throw error;
    throw (await notUpError(target.names, context)) ?? error;
  }
}

/** Why a service of the configuration here is not up; `undefined` when none of the words is one. */
async function notUpError(
  names: readonly string[],
  { cwd, environment }: Context,
): Promise<Error | undefined> {
  // Evaluating a configuration takes a process: seldom needed.
  const { loadConfig } = await import("../supervisor/config/load.ts");
  try {
    const { services, file } = await loadConfig({ cwd, environment });
    const service = services.find(({ name }) => names.includes(name));
    if (service === undefined) return undefined;
    return newelError("NEWEL_E_NOT_UP", { what: describe(service, file) });
  } catch (error) {
    // The error about the name given is reported, not one about the configuration here.
    if (isNewelError(error)) return undefined;
    throw error;
  }
}

function describe({ name, enabled }: ResolvedService, file: string): string {
  return enabled
    ? `The service ${name} of ${file} is not up yet`
    : `The service ${name} is not up: ${file} has enabled: false for it`;
}
