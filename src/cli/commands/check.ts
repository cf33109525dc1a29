import { counted } from "../../base/counted.ts";
import { parseConnection } from "../../jobs/sqlite/connection.ts";
import { assertSafeSqlite } from "../../jobs/sqlite/sqlite-version.ts";
import { JOBS_SERVICE, STORE_VARIABLE } from "../../supervisor/config/jobs.ts";
import type { ResolvedService } from "../../supervisor/config/resolved.ts";
import { type Command, CONFIG_OPTION, PROFILE_OPTION } from "../command.ts";
import { readConfig } from "../config.ts";
import { EXIT } from "../exit-codes.ts";

/**
 * The version of SQLite that stores the jobs of an app; `undefined` when they are not in a file.
 *
 * @throws NEWEL_E_JOBS_SQLITE it can lose committed transactions, and the store does not allow that
 */
function sqliteOf(services: readonly ResolvedService[]): string | undefined {
  const store = services.find(({ name }) => name === JOBS_SERVICE)?.env[STORE_VARIABLE];
  if (store?.startsWith("sqlite:") !== true) return undefined;
  assertSafeSqlite(parseConnection(store).allowUnsafeSqlite);
  return process.versions["sqlite"];
}

export const check: Command = {
  name: "check",
  summary: "Check the configuration without starting it",
  usage: "[-c FILE] [--profile NAMES]",
  options: { ...CONFIG_OPTION, ...PROFILE_OPTION },
  examples: [{ line: "newel check -c newel.config.ts", does: "exit code 6 if it has a mistake" }],
  async run(args, context) {
    const { name, file, services, sockets } = await readConfig(args, context);
    const sqlite = sqliteOf(services);
    const { output } = context;
    if (output.json) {
      output.printDocument({
        ok: true,
        name,
        file,
        services: services.map((service) => ({
          name: service.name,
          enabled: service.enabled,
          replicas: service.replicas,
        })),
        sockets: sockets.map((socket) => socket.name),
        ...(sqlite === undefined ? {} : { sqlite }),
      });
    } else {
      const listed = services.map((service) => service.name).join(", ");
      output.print(
        `${file} is fine: ${name} has ${counted(services.length, "service")} (${listed}).`,
      );
      if (sqlite !== undefined)
        output.print(`Jobs are stored with SQLite ${sqlite} of Node.js ${process.version}.`);
    }
    return EXIT.done;
  },
};
