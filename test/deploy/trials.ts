import { once } from "node:events";
import { createServer, type Server } from "node:http";

import { homeAt } from "../../src/base/home.ts";
import { connectKernel } from "../../src/kernel/client/client.ts";
import { collect } from "../cli/world.ts";
import { eventually, isAlive } from "../helpers/resources.ts";
import { sendSignal } from "../helpers/signals.ts";
import type { Change, Repository } from "./repository.ts";

/** A deploy that must not become live, and the blow that it gets. */
export interface Trial {
  readonly name: string;
  /** The differences of its version. */
  readonly change: Change;
  /** The output of the deploy, or of the command that reports its end. */
  readonly says: RegExp;
  /** Happens once the deploy has reached a step. */
  readonly blow?: { readonly at: string; readonly by: Blow };
  /** A whole release of either version may serve afterwards: the deploy is finished or undone. */
  readonly either?: true;
}

/** The processes that are killed: the command, the process of the deploy, the daemons. */
type Blow = "SIGINT" | "viewer" | "deploy" | "supervisor" | "kernel";

/** The ports of programs that a trial needs. */
export interface Ports {
  /** Answers 404. */
  readonly notFound: number;
}

/** Answers each request with 404. */
export async function startNotFound(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((_, response) => response.writeHead(404).end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, server };
}

const SLOW_START = "await new Promise((resolve) => setTimeout(resolve, 1_500));";
const pause = (name: string, ms: number): Change => ({
  deploy: { [name]: `sleep ${ms / 1_000} && echo built > built` },
});
const LONG_WATCH: Change = { deploy: { verify: { for: "10m" } } };

/** The moments at which a deploy is hit, with a version that stays there for a while. */
const MOMENTS: Readonly<Record<string, { readonly change: Change; readonly isShort?: true }>> = {
  install: { change: { deploy: { install: "sleep 600" } } },
  build: { change: { deploy: { build: "sleep 600" } } },
  migrate: { change: { deploy: { migrate: "sleep 600", migrateDown: "true" } } },
  switch: { change: { server: SLOW_START } },
  verify: { change: LONG_WATCH },
};

/** The broken versions: each fails by itself. */
export function brokenVersions({ notFound }: Ports): readonly Trial[] {
  return [
    {
      name: "install fails",
      change: { deploy: { install: "echo no; exit 4" } },
      says: /failed at install: `echo no; exit 4` ended with exit code 4/,
    },
    {
      name: "build fails",
      change: { deploy: { build: "exit 3" } },
      says: /failed at build: `exit 3` ended with exit code 3/,
    },
    { name: "test fails", change: { deploy: { test: "exit 1" } }, says: /failed at test/ },
    {
      name: "a command exceeds its time",
      change: { deploy: { build: "sleep 600", timeout: "500ms" } },
      says: /failed at build: .*did not end within 500ms/,
    },
    {
      name: "the configuration is no JSON",
      change: { config: '{ "name": "shop", ' },
      says: /newel\.config\.json/,
    },
    {
      name: "the configuration of the built release has a wrong setting",
      change: { deploy: { build: "sed -i s/200ms/soon/ newel.config.json" } },
      says: /failed at check: .*ready\.stable/s,
    },
    {
      name: "the program is missing",
      change: { deploy: { build: "rm server.mjs; echo > built" } },
      says: /failed at check: .*does not exist/,
    },
    {
      name: "the built release is of another app",
      change: { deploy: { build: `sed -i 's/"shop"/"other"/' newel.config.json` } },
      says: /failed at check: .*of the app other/s,
    },
    {
      name: "the migration fails",
      change: { deploy: { migrate: "exit 9" } },
      says: /failed at migrate: `exit 9`.*may have run in part/,
    },
    {
      name: "throws at boot",
      change: { server: 'throw new Error("no database");' },
      says: /failed at switch: .*exit code 1/s,
    },
    {
      name: "never ready",
      change: {
        server: "setInterval(() => {}, 1_000); await new Promise(() => {});",
        web: { ready: { timeout: "2s" } },
      },
      says: /failed at switch: .*ready/s,
    },
    {
      name: "out of memory (the limit of V8)",
      change: {
        server: "const all = []; for (;;) all.push(new Array(100_000).fill(Math.random()));",
        web: { nodeArgs: ["--max-old-space-size=20"] },
      },
      says: /failed at switch: .*signal 6/s,
    },
    {
      name: "its port is taken by another program",
      change: {
        services: {
          admin: { node: "server.mjs", listen: notFound, env: { PORT: String(notFound) } },
        },
      },
      says: /failed at (?:check|switch): .*(?:in use|taken|listens)/s,
    },
    {
      name: "dies after 2 s",
      change: {
        server: "setTimeout(() => process.exit(7), 2_000);",
        web: { ready: { timeout: "30s", stable: "3s" } },
        deploy: { verify: { for: "30s" } },
      },
      says: /failed at switch: /s,
    },
    {
      name: "another service ends and waits, and a migration is undone",
      change: {
        services: { mail: { run: "sleep 2; exit 1", ready: { after: "0s", stable: "0s" } } },
        deploy: {
          migrate: "echo up > data/m",
          migrateDown: "echo down > data/m",
          verify: { for: "30s" },
        },
      },
      says: /failed at verify: .*(?:restarted|backoff).*The app runs as before. The migration `echo up > data\/m` was undone/s,
    },
    {
      name: "a page answers 404",
      change: { deploy: { verify: { for: "5s", http: `http://127.0.0.1:${notFound}/` } } },
      says: /failed at verify: .*answered 404/s,
    },
    {
      name: "its clients get error responses",
      change: {
        server: 'server.prependListener("request", (_, response) => (response.statusCode = 500));',
        deploy: { verify: { for: "5s", maxErrors: 3 } },
      },
      says: /failed at verify: .*responses had a status of 500/s,
    },
    {
      name: "the command of verify fails",
      change: { deploy: { verify: { for: "0ms", command: "exit 5" } } },
      says: /failed at verify: `exit 5` ended/,
    },
  ];
}

/** Trials that take longer, for the soak alone. */
export const LONG_TRIALS: readonly Trial[] = [
  {
    name: "dies after 20 s",
    change: {
      server: "setTimeout(() => process.exit(7), 20_000);",
      deploy: { verify: { for: "60s" } },
    },
    says: /failed at verify: /s,
  },
];

/** A kill of each process at each moment. */
export function blows(): readonly Trial[] {
  const trial = (by: Blow, at: string, more: Partial<Trial> = {}): Trial => ({
    name: `${by === "SIGINT" ? "^C of the viewer" : `SIGKILL of the ${by}`} during ${at}`,
    change: MOMENTS[at]?.change ?? {},
    blow: { at, by },
    says: by === "deploy" ? new RegExp(`ended during ${at}`) : /./,
    ...more,
  });
  return [
    trial("SIGINT", "build"),
    trial("viewer", "switch", { either: true }),
    trial("viewer", "verify"),
    trial("deploy", "install"),
    trial("deploy", "build"),
    trial("deploy", "migrate"),
    trial("deploy", "switch"),
    trial("deploy", "verify"),
    trial("supervisor", "build", { change: pause("build", 3_000), either: true }),
    trial("supervisor", "switch", { either: true }),
    trial("supervisor", "verify", { says: /failed at verify/ }),
    trial("kernel", "build", { change: pause("build", 3_000), either: true }),
    trial("kernel", "switch", { either: true }),
    trial("kernel", "verify", {
      change: { deploy: { verify: { for: "5s" } } },
      either: true,
    }),
  ];
}

/** The result of one trial. */
export interface Verdict {
  /** Of `newel deploy`, or of the command that asked for the end of the deploy. */
  readonly code: number;
  readonly output: string;
  /** The state of the release. */
  readonly state: string;
  /** Which release serves. */
  readonly answer: string;
  readonly problems: readonly string[];
}

/** Deploys a version that is broken or hit, and checks that the release of before serves and nothing is left. */
export async function perform(
  repository: Repository,
  { name, change, says, blow, either }: Trial,
): Promise<Verdict> {
  const { world } = repository;
  const before = await repository.answer();
  const count = repository.records.length;
  const version = `broken ${count}`;
  repository.commit(version, change);
  const viewer = world.start("deploy");
  const [stdout, stderr] = [collect(viewer.stdout), collect(viewer.stderr)];
  const closed = once(viewer, "close");
  let [code] = [1];
  let output = "";
  if (blow !== undefined) {
    await repository.reached(blow.at);
    await strike(repository, blow.by, viewer.pid ?? 0);
  }
  if (blow?.by === "viewer" || blow?.by === "SIGINT") {
    await closed;
    const cancelled = await world.newel("deploy", "--cancel", "shop");
    ({ stdout: output } = cancelled);
    output += cancelled.stderr;
  } else [code] = (await closed) as [number];
  output += stdout() + stderr();
  // The supervisor undoes the deploy after a kill.
  await eventually(
    () => repository.records.at(-1)?.state !== "deploying",
    `the end of the trial: ${name}`,
    120_000,
  );
  const state = repository.records.slice(count).at(-1)?.state ?? "none";
  const answer = await repository.answer();
  const isNew = answer.startsWith(version);
  const left = await settledLeftovers(repository);
  const problems = [
    ...(says.test(output) ? [] : [`it does not say ${says}: ${output}`]),
    ...(isNew && either === undefined ? [`${answer} serves`] : []),
    ...(!isNew && answer !== before ? [`${answer} serves, not ${before}`] : []),
    ...(isNew === (code === 0) || blow?.by === "viewer"
      ? []
      : [`exit code ${code}, and ${answer} serves`]),
    ...(isNew === (state === "live") ? [] : [`the release is ${state}, and ${answer} serves`]),
    ...left.map((each) => `left: ${each}`),
  ];
  return { code, output, state, answer, problems };
}

/** A process that was just told to end needs a moment. */
export async function settledLeftovers(repository: Repository): Promise<readonly string[]> {
  let left: readonly string[] = [];
  const none = async (): Promise<boolean> => {
    left = await repository.leftovers();
    return left.length === 0;
  };
  await eventually(none, "nothing is left", 30_000).catch(() => undefined);
  return left;
}

async function strike({ world }: Repository, by: Blow, viewer: number): Promise<void> {
  if (by === "SIGINT") sendSignal(viewer, "SIGINT");
  else if (by === "viewer") sendSignal(viewer, "SIGKILL");
  else if (by === "supervisor") await kill(await world.supervisorPid());
  else {
    const kernel = await connectKernel({ home: homeAt(world.home) });
    try {
      if (by === "deploy") await kernel.processes.signal("deploy/shop", "SIGKILL");
      else await kill((await kernel.status()).pid);
    } finally {
      await kernel.close();
    }
  }
}

async function kill(pid: number): Promise<void> {
  sendSignal(pid, "SIGKILL");
  await eventually(() => !isAlive(pid), "it is dead");
}
