import type { Duration } from "../../base/units.ts";

/** How a release is monitored after its services were switched. */
interface DeployVerifyConfig {
  /** How long it is watched: a service that fails, restarts or is not ready undoes the deploy. Default `'10s'`. */
  readonly for?: Duration;
  /** A URL that must answer with a status below 400, asked four times a second. */
  readonly http?: `http://${string}`;
  /**
   * How many error responses there may be: answers of `http` that are errors, and responses with a status of 500 or more
   * that the Node.js processes of the release give to all clients. Default: no answer of `http`, and responses to clients
   * do not count.
   */
  readonly maxErrors?: number;
  /** A line for /bin/sh -c in the directory of the release, run at the end: another exit code than 0 undoes the deploy. */
  readonly command?: string;
}

/** How `newel deploy` prepares a release, watches it, and how many are kept. */
export interface DeployConfig {
  /** A line for /bin/sh -c, run first in the directory of the release: `'npm ci'`. Default: none. */
  readonly install?: string;
  /** Run after `install`: `'npm run build'`. Default: none. */
  readonly build?: string;
  /** Run after `build`. Default: none. */
  readonly test?: string;
  /** Run after the configuration was checked, before the services are switched. Default: none. */
  readonly migrate?: string;
  /** Run in the failed release when a step after `migrate` fails, to undo it. Default: none; the error names the migration. */
  readonly migrateDown?: string;
  /** The time limit of each of these commands. Default `'10m'`. */
  readonly timeout?: Duration;
  /** Paths that all releases share, relative to the configuration file: `['data', '.env']`. */
  readonly shared?: readonly string[];
  /** Directories whose files stay reachable in later releases, relative to the configuration file: `['dist/assets']`. */
  readonly assets?: readonly string[];
  /** How many releases are kept, including the live one; at least 2. Default 5. */
  readonly keep?: number;
  /** The watch over a release after the switch. */
  readonly verify?: DeployVerifyConfig;
}

/** How releases are prepared, watched and kept; paths are relative to the directory of the configuration. */
export interface ResolvedDeploy {
  /** Lines for /bin/sh -c. */
  readonly commands: {
    readonly install?: string;
    readonly build?: string;
    readonly test?: string;
    readonly migrate?: string;
    readonly migrateDown?: string;
  };
  /** Of each command. */
  readonly timeoutMs: number;
  readonly shared: readonly string[];
  readonly assets: readonly string[];
  readonly keep: number;
  readonly verify: {
    readonly forMs: number;
    readonly http?: string;
    /** Missing: no answer of `http`, and responses to clients do not count. */
    readonly maxErrors?: number;
    readonly command?: string;
  };
}
