import { globSync } from "node:fs";
import { resolve } from "node:path";

import { programPath } from "../../base/modules.ts";
import { durationMs } from "../../base/units.ts";
import { type Finding, type Key, quoted } from "./problems.ts";
import type { JobsListenConfig } from "./types.ts";
import { type Checked, checkJobs, type CheckedJobs, type CheckedService } from "./schema.ts";

/** The service that the job server is, and the variable by which every service finds its store. */
export const JOBS_SERVICE = "jobs";
export const STORE_VARIABLE = "NEWEL_JOBS_STORE";

const DEFAULT_STORE = "sqlite:./data/jobs.db";
const DEFAULT_GRACE = "20s";
/** The time that the server has after its jobs' grace to close everything, in milliseconds. */
const CLOSE_MS = 10_000;

/** The result of `jobs` of a configuration. */
export interface Jobs {
  readonly service: CheckedService;
  /** A file by its absolute path. */
  readonly store: string;
}

/** Reads `jobs`: a service that runs the job server. */
export function readJobs(value: unknown, directory: string): Checked<Jobs> {
  if (value === undefined) return { findings: [] };
  const { value: jobs, findings } = checkJobs(value);
  if (jobs === undefined) return { findings };
  const isTold = (key: string): boolean => findings.some(({ keys }) => keys[1] === key);
  const missing = isTold("modules") || isTold("cwd") ? [] : moduleFindings(jobs, directory);
  const unheard = isTold("listen") ? [] : listenFindings(jobs);
  return {
    value: {
      service: toService(jobs, directory),
      store: absolute(jobs.store ?? DEFAULT_STORE, directory),
    },
    findings: [...findings, ...missing, ...unheard],
  };
}

function patternsOf({ modules = [] }: CheckedJobs): readonly string[] {
  return typeof modules === "string" ? [modules] : modules;
}

function moduleFindings(jobs: CheckedJobs, directory: string): Finding[] {
  const patterns = patternsOf(jobs);
  const at = (says: string): Finding => ({ keys: ["jobs", "modules"], says });
  if (patterns.length === 0)
    return [
      {
        keys: ["jobs"],
        says: 'has no "modules": name those that define jobs, as in modules: "src/jobs/*.ts".',
      },
    ];
  const cwd = resolve(directory, jobs.cwd ?? ".");
  return patterns
    .filter((pattern) => globSync(pattern, { cwd }).length === 0)
    .map((pattern) => at(`has ${quoted(pattern)}, which no file in ${quoted(cwd)} fits.`));
}

/** A host, a port and an auth key belong together. */
function listenFindings({ listen }: CheckedJobs): Finding[] {
  if (listen === undefined) return [];
  const given: Readonly<Record<string, unknown>> = { ...listen };
  const missing = ["host", "port", "authKeyFile"].filter((key) => given[key] === undefined);
  return missing.map((key) => ({
    keys: ["jobs", "listen"],
    says: `has no "${key}": give host, port and authKeyFile, or leave listen out.`,
  }));
}

/** Every service finds the same file from any working directory. */
function absolute(store: string, directory: string): string {
  const [, path, options = ""] = /^sqlite:([^?]*)(\?.*)?$/.exec(store) ?? [];
  return path === undefined ? store : `sqlite:${resolve(directory, path)}${options}`;
}

/**
 * The URL of the store is passed in the environment, because its password must not appear in the list of
 * processes.
 */
function toService(jobs: CheckedJobs, directory: string): CheckedService {
  const { modules: _modules, store: _store, processes, grace, listen, ...others } = jobs;
  const { nodeArgs = [], ...rest } = others;
  const graceMs = durationMs(grace ?? DEFAULT_GRACE);
  return {
    ...rest,
    run: [
      process.execPath,
      ...nodeArgs,
      programPath("cli/main"),
      "jobs",
      "server",
      ...(processes === undefined ? [] : ["--processes", String(processes)]),
      "--grace",
      `${graceMs}ms`,
      ...(listen === undefined ? [] : listenWords(listen, directory)),
      "--modules",
      ...patternsOf(jobs),
    ],
    // Two servers share a store well; only a server with an address cannot run twice at a time.
    reload: { order: listen === undefined ? "start-first" : "stop-first" },
    ready: { notify: true, timeout: "2m" },
    stop: { grace: `${graceMs + CLOSE_MS}ms` },
  };
}

function listenWords(
  { host, port, authKeyFile }: Partial<JobsListenConfig>,
  directory: string,
): string[] {
  // The missing setting has been reported.
  if (host === undefined || port === undefined || authKeyFile === undefined) return [];
  const file = resolve(directory, authKeyFile);
  return ["--host", host, "--port", String(port), "--authkey-file", file];
}

/** A problem of the service is reported for `jobs`, the setting that the operator wrote. */
export function toldOfJobs(findings: readonly Finding[]): Finding[] {
  return findings.map((finding) => ({
    ...finding,
    keys: moved(finding.keys),
    ...(finding.label === undefined ? {} : { label: moved(finding.label) }),
  }));
}

function moved(keys: readonly Key[]): readonly Key[] {
  const [kind, name, ...rest] = keys;
  return kind === "services" && name === JOBS_SERVICE ? ["jobs", ...rest] : keys;
}
