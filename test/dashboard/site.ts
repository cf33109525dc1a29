import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { request } from "node:http";

import { collect, type World } from "../cli/world.ts";
import { NOBODY } from "../helpers/as-nobody.ts";
import { eventually } from "../helpers/resources.ts";

/** Programs that run from the sources have the page that is built from them now. */
const built = spawnSync(process.execPath, [
  "-e",
  `import(${JSON.stringify(new URL("../../scripts/dashboard.mjs", import.meta.url).href)}).then((script) => script.buildDashboard())`,
]);
assert.equal(built.status, 0, String(built.stderr));

/** A dashboard that runs. */
export interface Dash {
  readonly url: string;
  readonly address: string;
  readonly readOnly: boolean;
}

/** Starts `newel dash` and returns the line that it prints. */
export async function startDash(world: World, ...args: string[]): Promise<Dash> {
  const child = world.start("dash", "--json", ...args);
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const line = await eventually(
    () => /^\{.*\}$/m.exec(stdout())?.[0] ?? (child.exitCode === null ? false : "ended"),
    "newel dash prints its link",
  );
  assert.notEqual(line, "ended", stderr());
  return JSON.parse(line) as Dash;
}

/** The secret of a link. */
export function linkOf({ url }: Dash): string {
  const [, link = ""] = /#link=([\w-]{43})$/.exec(url) ?? [];
  assert.notEqual(link, "", url);
  return link;
}

export interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
  /** The code of the error in the body. */
  readonly code: string | undefined;
}

export interface Asked {
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Default: JSON of `body`. */
  readonly text?: string;
}

/** Sends a request whose headers are exactly those given, but for the Host, which is right unless it is given. */
export function ask(
  { address }: Dash,
  { path, method, headers = {}, body, text }: Asked,
): Promise<Answer> {
  const sent = text ?? (body === undefined ? undefined : JSON.stringify(body));
  const host = address.startsWith("/") ? "localhost" : address;
  return new Promise((resolve, reject) => {
    const where = address.startsWith("/") ? { socketPath: address } : hostAndPort(address);
    const outgoing = request(
      {
        ...where,
        path,
        method: method ?? (sent === undefined ? "GET" : "POST"),
        headers: { host, connection: "close", ...headers },
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.once("error", reject);
        response.once("end", () => {
          const body = Buffer.concat(pieces).toString("utf8");
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, body, code: /"code":"(\w+)"/.exec(body)?.[1] });
        });
      },
    );
    outgoing.once("error", reject);
    outgoing.end(sent);
  });
}

function hostAndPort(address: string): { host: string; port: number } {
  const { hostname, port } = new URL(`http://${address}`);
  return { host: hostname, port: Number(port) };
}

/** The headers of a page of the dashboard. */
export function pageHeaders({ address }: Dash): Record<string, string> {
  const host = address.startsWith("/") ? "localhost" : address;
  return { origin: `http://${host}`, "content-type": "application/json" };
}

/** Opens a session; the headers of its requests. */
export async function enter(dash: Dash): Promise<Record<string, string>> {
  const answer = await ask(dash, {
    path: "/api/enter",
    headers: pageHeaders(dash),
    body: { link: linkOf(dash) },
  });
  assert.equal(answer.status, 200, answer.body);
  const [cookie = ""] = String(answer.headers["set-cookie"]).split(";");
  const { token } = JSON.parse(answer.body) as { token: string };
  return { ...pageHeaders(dash), cookie, "x-newel-token": token };
}

/** The answer to a GET by another user: a status, or the error code of the system. */
export function askAsNobody({ address }: Dash, path: string): string {
  const where = address.startsWith("/") ? { socketPath: address } : hostAndPort(address);
  const program = `
    process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY});
    require("node:http").get(${JSON.stringify({ ...where, path, headers: { host: "localhost" } })},
      (response) => { console.log(response.statusCode); process.exit(); }).on("error", (error) => console.log(error.code));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["-e", program], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(stderr, "");
  return stdout.trim();
}
