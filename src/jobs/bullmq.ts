import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { newelError } from "../base/errors.ts";

/**
 * BullMQ is an optional peer dependency: newel is installed without it, and a program that has jobs installs it. Its
 * backend interface grows with minor versions, so only the minors that the tests have run with are accepted; the
 * peer range in package.json names the same.
 */
const TESTED_MINORS: readonly string[] = ["6.7"];
/** The newest version of the tested minors. */
export const NEWEST_BULLMQ = "6.7.0";

/** The exports that newel uses. */
const EXPORTS: readonly string[] = [
  "createPostgresBackend",
  "createRedisBackend",
  "DEFAULT_SCHEMA",
  "defaultRepeatStrategy",
  "DelayedError",
  "ErrorCode",
  "FlowProducer",
  "Job",
  "Queue",
  "QueueEvents",
  "QueueEventsProducer",
  "quoteSchemaName",
  "runMigrations",
  "UnrecoverableError",
  "WaitingError",
  "Worker",
];

/** The methods that newel calls or overrides, the protected ones included, by class. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  FlowProducer: ["add", "getFlow"],
  Job: ["moveToDelayed", "moveToWait", "moveToWaitingChildren", "remove", "updateProgress"],
  Queue: ["getBackend"],
  Worker: [
    "extendJobLocks",
    "getNextJob",
    "handleCompleted",
    "handleFailed",
    "moveToActive",
    "processJob",
    "startStalledCheckTimer",
  ],
};

/**
 * The reason why a BullMQ cannot be used.
 *
 * @param members - the exports of the module
 */
export function bullmqProblem(
  version: string,
  members: Readonly<Record<string, unknown>>,
): string | undefined {
  const minor = version.split(".").slice(0, 2).join(".");
  if (!TESTED_MINORS.includes(minor) || version.includes("-"))
    return `version ${version} is installed, and this newel was tested with ${TESTED_MINORS.map((each) => `${each}.x`).join(", ")}`;
  const missing = EXPORTS.filter((name) => members[name] === undefined);
  for (const [name, methods] of Object.entries(METHODS)) {
    const { prototype = {} } = (members[name] ?? {}) as { readonly prototype?: object };
    missing.push(
      ...methods.filter((each) => !(each in prototype)).map((each) => `${name}.${each}`),
    );
  }
  return missing.length === 0 ? undefined : `version ${version} has no ${missing.join(", ")}`;
}

let checked: Promise<void> | undefined;

/**
 * Checks the installed BullMQ, once a process. Called before the first module that imports it is loaded.
 *
 * @throws NEWEL_E_JOBS_BULLMQ it is not installed, or another version
 */
export function requireBullmq(): Promise<void> {
  checked ??= check();
  return checked;
}

async function check(): Promise<void> {
  const version = installedVersion();
  const members = (await import("bullmq")) as unknown as Readonly<Record<string, unknown>>;
  const problem = bullmqProblem(version, members);
  if (problem !== undefined) throw unusable(problem);
}

function installedVersion(): string {
  const require = createRequire(import.meta.url);
  let main: string;
  try {
    main = require.resolve("bullmq");
  } catch (error) {
    throw unusable("it is not installed", error);
  }
  for (
    let directory = dirname(main);
    directory !== dirname(directory);
    directory = dirname(directory)
  ) {
    const found = readManifest(join(directory, "package.json"));
    if (found?.name === "bullmq" && found.version !== undefined) return found.version;
  }
  throw unusable(`${main} belongs to no package`);
}

function readManifest(
  path: string,
): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as { readonly name?: string };
  } catch {
    // A directory without a manifest: the package's is further up.
    return undefined;
  }
}

function unusable(why: string, cause?: unknown): Error {
  return newelError("NEWEL_E_JOBS_BULLMQ", { why, version: NEWEST_BULLMQ }, cause);
}
