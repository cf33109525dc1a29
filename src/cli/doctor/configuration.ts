import { hasCode, isNewelError } from "../../base/errors.ts";
import { findHome } from "../../base/home.ts";
import { parseConnection } from "../../jobs/sqlite/connection.ts";
import { assertSafeSqlite } from "../../jobs/sqlite/sqlite-version.ts";
import { findAddressOwner } from "../../supervisor/address-owner.ts";
import { JOBS_SERVICE, STORE_VARIABLE } from "../../supervisor/config/jobs.ts";
import type { ResolvedConfig, ResolvedSocket } from "../../supervisor/config/resolved.ts";
import { checkStartable } from "../../supervisor/preflight.ts";
import type { Arguments, Context } from "../command.ts";
import { readConfig } from "../config.ts";
import { findKernel } from "../reach.ts";
import type { Finding } from "./types.ts";

/** The configuration here: whether it is valid, its programs and files exist, its ports are free or newel's own. */
export async function checkConfiguration(args: Arguments, context: Context): Promise<Finding[]> {
  const check = "configuration";
  let config: ResolvedConfig;
  try {
    config = await readConfig(args, context);
  } catch (error) {
    if (!isNewelError(error)) throw error;
    if (hasCode(error, "NEWEL_E_CONFIG_MISSING") && args.text("config") === undefined)
      return [{ check, state: "note", what: "there is none here or above" }];
    return [{ check, state: "problem", what: error.message, fix: error.fix }];
  }
  const held = await heldPorts(context);
  return [
    { check, state: "ok", what: `${config.file} is valid` },
    ...config.services.filter(({ enabled }) => enabled).flatMap(startFindings),
    ...portFindings(config.sockets, held, findHome(context.environment).directory),
    ...sqliteFindings(config),
  ];
}

function startFindings(spec: ResolvedConfig["services"][number]): Finding[] {
  try {
    checkStartable(spec);
    return [];
  } catch (error) {
    if (!hasCode(error, "NEWEL_E_CANNOT_START")) throw error;
    const fix = "Correct the configuration, or put the file in its place.";
    return [{ check: "programs", state: "problem", what: (error as Error).message, fix }];
  }
}

/** The TCP ports that the kernel of this home holds. */
async function heldPorts(context: Context): Promise<ReadonlySet<number>> {
  try {
    const kernel = await findKernel(context);
    if (kernel === undefined) return new Set();
    try {
      return new Set((await kernel.sockets.list()).flatMap(({ port }) => port ?? []));
    } finally {
      await kernel.close();
    }
  } catch (error) {
    // The check of the kernel reports it.
    if (!isNewelError(error)) throw error;
    return new Set();
  }
}

function portFindings(
  sockets: readonly ResolvedSocket[],
  held: ReadonlySet<number>,
  home: string,
): Finding[] {
  const taken = sockets.flatMap((socket): Finding[] => {
    const { host, port, path, name } = socket;
    if (path !== undefined || port === undefined || port === 0 || held.has(port)) return [];
    const owner = findAddressOwner({ port, ...(host === undefined ? {} : { host }) });
    if (owner === undefined || owner.daemon?.home === home) return [];
    const { pid, command = "", uid, daemon } = owner;
    const program = daemon === undefined ? command : `the ${daemon.name} of ${daemon.home}`;
    const whose = pid === undefined ? `a process of user ${uid ?? "?"}` : `pid ${pid} (${program})`;
    const fix = `End that process, or give ${name} another port.`;
    return [
      {
        check: "ports",
        state: "problem",
        what: `port ${port} of ${name} is taken by ${whose}`,
        fix,
      },
    ];
  });
  if (taken.length > 0) return taken;
  const what = sockets.length === 0 ? "no service listens" : "free, or held by newel";
  return [{ check: "ports", state: "ok", what }];
}

function sqliteFindings({ services }: ResolvedConfig): Finding[] {
  const store = services.find(({ name }) => name === JOBS_SERVICE)?.env[STORE_VARIABLE];
  if (store?.startsWith("sqlite:") !== true) return [];
  const check = "jobs";
  try {
    assertSafeSqlite(parseConnection(store).allowUnsafeSqlite);
    const what = `SQLite ${process.versions["sqlite"]} of Node.js ${process.version}`;
    return [{ check, state: "ok", what }];
  } catch (error) {
    if (!isNewelError(error)) throw error;
    return [{ check, state: "problem", what: error.message, fix: error.fix }];
  }
}
