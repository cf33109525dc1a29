// Checked by the compiler alone: each `@ts-expect-error` must stand right above the line that is wrong.
import { defineConfig, type Config } from "../../src/index.ts";

// The names are known to the types, and the result is a Config.
const good: Config<"web" | "local", "web" | "clock" | "migrate"> = defineConfig({
  name: "shop",
  envFile: [".env", ".env.local?"],
  env: { TZ: "UTC", EMPTY: process.env["NOPE"], PORT: 3000 },
  sockets: {
    web: { port: 3000, host: "127.0.0.1", backlog: 4096 },
    local: { path: "./run/x.sock", umask: "007" },
  },
  services: {
    web: {
      node: "src/server.ts",
      args: ["--verbose"],
      nodeArgs: ["--max-old-space-size=512"],
      listen: ["web", "local", 8080, "127.0.0.1:9000", "/run/app.sock"],
      replicas: "cpus",
      passEnv: ["AWS_*"],
      ready: { http: "/healthz", timeout: "15s", stable: "3s", after: "0.5s" },
      stop: { signal: "SIGINT", grace: "10s", linger: "1s" },
      restart: {
        policy: "on-failure",
        max: 3,
        within: "1m",
        backoff: { min: "100ms", max: "15s" },
      },
      dependsOn: { migrate: "completed", clock: "started" },
      logs: { bufsize: "64MB", stderr: "stdout" },
      umask: "022",
      enabled: true,
    },
    clock: { run: "while true; do date; sleep 1; done", dependsOn: ["migrate"] },
    migrate: { run: ["npx", "drizzle-kit", "migrate"], restart: "never" },
  },
});

type Names = typeof good extends Config<infer Socket, infer Service> ? [Socket, Service] : never;
export const names: Names[] = [
  ["web", "clock"],
  ["local", "migrate"],
  // @ts-expect-error the names are exactly those of the object
  ["nope", "web"],
];
export const widened: Config = good;

defineConfig({ services: { web: { node: "a.ts", listen: 3000, ready: { notify: false } } } });

defineConfig({
  sockets: { web: { port: 3000 } },
  services: {
    web: {
      node: "a.ts",
      // @ts-expect-error an unknown socket
      listen: "wbe",
    },
    other: {
      node: "a.ts",
      // @ts-expect-error an unknown service
      dependsOn: ["wbe"],
    },
    third: {
      node: "a.ts",
      dependsOn: {
        // @ts-expect-error an unknown service as a key
        wbe: "ready",
      },
    },
    fourth: {
      node: "a.ts",
      // @ts-expect-error an unknown condition
      dependsOn: { web: "healthy" },
    },
  },
});

defineConfig({
  services: {
    noSockets: {
      run: "x",
      // @ts-expect-error there is no socket at all
      listen: "web",
    },
    slow: {
      node: "a.ts",
      stop: {
        // @ts-expect-error a duration with a word for its unit
        grace: "20 sec",
      },
    },
    big: {
      node: "a.ts",
      logs: {
        // @ts-expect-error a size without a known unit
        bufsize: "64 megs",
      },
    },
    pm2: {
      node: "a.ts",
      // @ts-expect-error pm2's word
      instances: 2,
    },
    late: {
      node: "a.ts",
      ready: {
        http: "/healthz",
        // @ts-expect-error a number is no duration
        timeout: 15,
      },
    },
    // @ts-expect-error two kinds of readiness
    both: { node: "a.ts", ready: { http: "/healthz", log: "up" } },
    // @ts-expect-error both node and run
    two: { node: "a.ts", run: "x" },
    // @ts-expect-error neither node nor run
    none: { replicas: 2 },
    again: {
      run: "x",
      // @ts-expect-error a misspelt policy
      restart: "allways",
    },
    // @ts-expect-error args belong to node
    words: { run: ["ls"], args: ["-l"] },
  },
});

defineConfig({
  sockets: {
    // @ts-expect-error a port and a path
    web: { port: 3000, path: "x.sock" },
  },
  services: {},
});

defineConfig({
  services: { web: { node: "a.ts" } },
  // @ts-expect-error no word of ours
  processes: {},
});

// @ts-expect-error an object only, no function
defineConfig(() => ({ services: {} }));
