import type { ResolvedService } from "../../src/supervisor/config/resolved.ts";
import { validate } from "../../src/supervisor/config/validate.ts";
import type { Random } from "./random.ts";

const POLICIES = ["always", "on-failure", "never"] as const;

const CHECKS = {
  alive: { command: "simulated", interval: "500ms", timeout: "200ms", threshold: 2 },
  maxMemory: "100MB",
} as const;

/** A service as a configuration file gives it, with short times. */
function resolve(
  listens: boolean,
  policy: (typeof POLICIES)[number],
  isChecked: boolean,
): ResolvedService {
  const service = {
    run: "simulated",
    ...(listens ? { listen: 8_080 } : {}),
    ...(isChecked ? CHECKS : {}),
    ready: { notify: true, timeout: "2s", stable: "300ms" },
    stop: { grace: "2s", linger: "100ms" },
    restart: { policy, max: 5, within: "10s", backoff: { min: "50ms", max: "500ms" } },
  };
  const result = validate({ services: { s: service } }, "/newel.config.json", {});
  if (!("config" in result)) throw new Error(`not valid: ${JSON.stringify(result.findings)}`);
  const [resolved] = result.config.services;
  if (resolved === undefined) throw new Error("no service");
  return resolved;
}

const [SERVICES, CHECKED_SERVICES] = [false, true].map((isChecked) =>
  POLICIES.flatMap((policy) => [
    resolve(true, policy, isChecked),
    resolve(false, policy, isChecked),
  ]),
);

/**
 * A service with settings drawn by chance; two of three restart always.
 *
 * @param isChecked - whether it has a liveness check and a limit of memory
 */
export function randomService(random: Random, isChecked: boolean): ResolvedService {
  const listens = random.chance(0.6) ? 0 : 1;
  const policy = random.chance(0.6) ? 0 : random.between(0, POLICIES.length - 1);
  const services = (isChecked ? CHECKED_SERVICES : SERVICES) ?? [];
  return services[2 * policy + listens] ?? random.pick(services);
}
