import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { hasCode, type NewelError } from "../../../src/base/errors.ts";
import { loadConfig, type LoadOptions } from "../../../src/supervisor/config/load.ts";
import type { ResolvedConfig, ResolvedService } from "../../../src/supervisor/config/resolved.ts";
import { type Scope, temporaryDirectory } from "../../helpers/resources.ts";

/** The environment of a caller that has only the path to programs. */
export const bareEnvironment: NodeJS.ProcessEnv = {
  PATH: "/usr/bin:/bin",
  ...(process.env["NODE_V8_COVERAGE"] === undefined
    ? {}
    : { NODE_V8_COVERAGE: process.env["NODE_V8_COVERAGE"] }),
};

/** A directory with these files, and `server.ts`, a program a service may name. */
export function makeApp(scope: Scope, files: Readonly<Record<string, string>>): string {
  const directory = temporaryDirectory(scope);
  for (const [path, content] of Object.entries({ "server.ts": "", ...files })) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  return directory;
}

export function load(
  directory: string,
  options: Partial<LoadOptions> = {},
): Promise<ResolvedConfig> {
  return loadConfig({ cwd: directory, environment: bareEnvironment, ...options });
}

/** The error that loading ends with. */
export async function loadError(
  directory: string,
  options: Partial<LoadOptions> = {},
): Promise<NewelError> {
  const error = await load(directory, options).then(
    () => assert.fail("the configuration was accepted"),
    (reason: unknown) => reason,
  );
  assert.ok(
    hasCode(error, "NEWEL_E_CONFIG") || hasCode(error, "NEWEL_E_CONFIG_MISSING"),
    String(error),
  );
  return error as NewelError;
}

/** The one service of that name. */
export function serviceOf(config: ResolvedConfig, name: string): ResolvedService {
  const service = config.services.find((each) => each.name === name);
  assert.ok(service, `no service ${name}`);
  return service;
}
