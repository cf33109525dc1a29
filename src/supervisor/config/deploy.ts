import { isAbsolute, normalize } from "node:path";

import { durationMs } from "../../base/units.ts";
import type { Finding } from "./problems.ts";
import type { ResolvedDeploy } from "./deploy-types.ts";
import type { CheckedDeploy } from "./deploy-schema.ts";
import { type Checked, checkDeploy } from "./schema.ts";

const DEFAULT_TIMEOUT = "10m";
const DEFAULT_KEEP = 5;
const DEFAULT_VERIFY = "10s";

/** Reads `deploy`: how releases are prepared, watched and kept. Without it, the defaults apply. */
export function readDeploy(value: unknown): Checked<ResolvedDeploy> {
  const { value: deploy, findings } = checkDeploy(value ?? {});
  const outside = (["shared", "assets"] as const).flatMap((key) => outsideFindings(key, deploy));
  return {
    findings: [...findings, ...outside],
    ...(deploy === undefined || outside.length > 0 ? {} : { value: resolveDeploy(deploy) }),
  };
}

/** A path that leaves the release would have its files moved or removed elsewhere. */
function outsideFindings(key: "shared" | "assets", deploy: CheckedDeploy | undefined): Finding[] {
  return (deploy?.[key] ?? []).flatMap((path, index) => {
    const plain = normalize(path);
    const isInside =
      !isAbsolute(plain) && plain !== "." && plain !== "./" && !plain.startsWith("..");
    const says =
      'must be a path below the directory of the configuration: "data" or "public/uploads".';
    return isInside ? [] : [{ keys: ["deploy", key, index], says }];
  });
}

function resolveDeploy(deploy: CheckedDeploy): ResolvedDeploy {
  const { install, build, test, migrate, migrateDown, verify = {} } = deploy;
  const commands = { install, build, test, migrate, migrateDown };
  const plain = (path: string): string => normalize(path).replace(/\/$/, "");
  return {
    commands: Object.fromEntries(
      Object.entries(commands).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
    timeoutMs: durationMs(deploy.timeout ?? DEFAULT_TIMEOUT),
    shared: (deploy.shared ?? []).map(plain),
    assets: (deploy.assets ?? []).map(plain),
    keep: deploy.keep ?? DEFAULT_KEEP,
    verify: {
      forMs: durationMs(verify.for ?? DEFAULT_VERIFY),
      ...(verify.http === undefined ? {} : { http: verify.http }),
      ...(verify.maxErrors === undefined ? {} : { maxErrors: verify.maxErrors }),
      ...(verify.command === undefined ? {} : { command: verify.command }),
    },
  };
}
