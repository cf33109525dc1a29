import assert from "node:assert/strict";
import { test } from "node:test";

import type { SocketInfo } from "../../src/kernel/api.ts";
import type { ResolvedConfig, ResolvedSocket } from "../../src/supervisor/config/resolved.ts";
import { planSockets } from "../../src/supervisor/plan-sockets.ts";

function config(...sockets: Partial<ResolvedSocket>[]): ResolvedConfig {
  return {
    name: "shop",
    nameFrom: "configuration",
    file: "/shop/newel.config.ts",
    sockets: sockets.map((socket) => ({ name: "web", backlog: 5, ...socket })),
    services: [],
  };
}

function held(name: string, address: Partial<SocketInfo>): SocketInfo {
  return { name, family: "inet6", type: "stream", backlog: 5, ...address };
}

const any = (port: number): Partial<ResolvedSocket> => ({ host: "::", port });
const owner =
  (app: string) =>
  (name: string): string | undefined =>
    name.startsWith("made-by-hand") ? undefined : app;

const CASES: readonly {
  readonly what: string;
  readonly config: ResolvedConfig;
  readonly held: readonly SocketInfo[];
  readonly names: readonly string[];
  readonly made: readonly string[];
}[] = [
  {
    what: "a socket that is not there is made",
    config: config(any(3000)),
    held: [],
    names: ["shop/web"],
    made: ["shop/web"],
  },
  {
    what: "the same address keeps its socket",
    config: config(any(3000)),
    held: [held("shop/web", any(3000))],
    names: ["shop/web"],
    made: [],
  },
  {
    what: "another port gets a second socket, so that the first one can serve until then",
    config: config(any(4000)),
    held: [held("shop/web", any(3000))],
    names: ["shop/2/web"],
    made: ["shop/2/web"],
  },
  {
    what: "a port on another host gets a second socket next to the first one",
    config: config({ host: "127.0.0.1", port: 3000 }),
    held: [held("shop/web", any(3000))],
    names: ["shop/2/web"],
    made: ["shop/2/web"],
  },
  {
    what: "the way back takes the first one again",
    config: config(any(3000)),
    held: [held("shop/2/web", any(4000)), held("shop/web", any(3000))],
    names: ["shop/web"],
    made: [],
  },
  {
    what: "a port that another socket of the app had keeps that socket",
    config: config({ name: "http", ...any(3000) }),
    held: [held("shop/port.3000", any(3000))],
    names: ["shop/port.3000"],
    made: [],
  },
  {
    what: "an app under another name keeps its sockets",
    config: config(any(3000)),
    held: [held("store/web", any(3000))],
    names: ["store/web"],
    made: [],
  },
  {
    what: "any port is the port that the socket of that name has",
    config: config({ host: "127.0.0.1", port: 0 }),
    held: [held("shop/web", { family: "inet", host: "127.0.0.1", port: 40_123 })],
    names: ["shop/web"],
    made: [],
  },
  {
    what: "a Unix path is an address as a port is",
    config: config({ path: "/run/b.sock" }),
    held: [held("shop/web", { family: "unix", path: "/run/a.sock" })],
    names: ["shop/2/web"],
    made: ["shop/2/web"],
  },
];

for (const { what, held, names, made, ...given } of CASES) {
  test(`sockets: ${what}`, () => {
    const plan = planSockets(given.config, held, owner("shop"));
    assert.deepEqual(
      plan.config.sockets.map(({ kernelName }) => kernelName),
      names,
    );
    assert.deepEqual(
      plan.make.map(({ name }) => name),
      made,
    );
  });
}

test("sockets: the services of the configuration get the sockets of the plan", () => {
  const base = config(any(4000));
  const [socket] = base.sockets;
  const service = { name: "web", enabled: true, listen: [socket] };
  const plan = planSockets(
    { ...base, services: [service] } as unknown as ResolvedConfig,
    [held("shop/web", any(3000))],
    owner("shop"),
  );
  assert.equal(plan.config.services[0]?.listen[0]?.kernelName, "shop/2/web");
});

for (const { what, config: wanted, address, app, says } of [
  { what: "of another app", config: any(3000), address: any(3000), app: "blog", says: /app blog/ },
  {
    what: "that only overlaps with that of another app",
    config: { host: "127.0.0.1", port: 3000 },
    address: any(3000),
    app: "blog",
    says: /app blog/,
  },
]) {
  test(`sockets: a port ${what} is refused with its owner and the step to take`, () => {
    const plan = (): unknown => planSockets(config(wanted), [held("x/web", address)], () => app);
    assert.throws(plan, { code: "NEWEL_E_ADDRESS_TAKEN", message: says, fix: /newel down/ });
  });
}

test("sockets: a socket that a client of the kernel made is not taken over", () => {
  const plan = (): unknown =>
    planSockets(config(any(3000)), [held("made-by-hand", any(3000))], owner("shop"));
  assert.throws(plan, { code: "NEWEL_E_ADDRESS_TAKEN", message: /made-by-hand/ });
});

test("sockets: settings that a socket in use keeps are named", () => {
  const { notes, make } = planSockets(
    config({ ...any(3000), backlog: 9 }),
    [held("shop/web", any(3000))],
    owner("shop"),
  );
  assert.deepEqual(make, []);
  assert.match(notes.join(), /\[::\]:3000 keeps its backlog of 5/);
});
