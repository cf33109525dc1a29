import type clusterModule from "node:cluster";
import type * as httpModule from "node:http";
import type * as httpsModule from "node:https";
import { createRequire } from "node:module";
import type * as osModule from "node:os";
import type * as perfHooksModule from "node:perf_hooks";
import type * as timersModule from "node:timers/promises";
import type * as vmModule from "node:vm";

/**
 * Built-in modules that only some processes need, loaded at their first use: the preload is part of
 * every Node.js process of a service. `process.getBuiltinModule` is missing in the first versions 20.
 */
function load(id: string): unknown {
  require ??= createRequire("/");
  return require(id);
}

let require: NodeJS.Require | undefined;

export function loadCluster(): typeof clusterModule {
  return load("node:cluster") as typeof clusterModule;
}

export function loadOs(): typeof osModule {
  return load("node:os") as typeof osModule;
}

export function loadPerfHooks(): typeof perfHooksModule {
  return load("node:perf_hooks") as typeof perfHooksModule;
}

export function loadTimers(): typeof timersModule {
  return load("node:timers/promises") as typeof timersModule;
}

export function loadHttp(): typeof httpModule {
  return load("node:http") as typeof httpModule;
}

export function loadHttps(): typeof httpsModule {
  return load("node:https") as typeof httpsModule;
}

export function loadVm(): typeof vmModule {
  return load("node:vm") as typeof vmModule;
}
