// Draws the picture of README.md (docs/images/terminal.svg) from a real run: `npm run picture`. The built newel
// brings up an app with two replicas on port 3000; under load the service is reloaded, and the supervisor is
// killed. The picture is drawn only if no request failed.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";

import { buildIfOlder } from "./built.ts";
import { drawTerminal } from "./picture/terminal.ts";

const PORT = 3000;
const SERVER = `import { createServer } from "node:http";

createServer((request, response) => {
  const end = () => response.setHeader("x-pid", process.pid).end(request.url.split("/").at(-1));
  setTimeout(end, request.url.startsWith("/slow") ? 400 : 2);
}).listen(${PORT});
console.log("listening");
`;
const CONFIG = `export default {
  name: "shop",
  services: {
    web: { node: "server.js", listen: ${PORT}, replicas: 2, ready: { http: "/healthz" } },
  },
};
`;

const root = join(import.meta.dirname, "..");
const world = realpathSync(mkdtempSync(join(tmpdir(), "newel-picture-")));
const app = join(world, "shop");
const lines = [];

buildIfOlder(root);
mkdirSync(app);
writeFileSync(join(app, "package.json"), '{ "type": "module" }\n');
writeFileSync(join(app, "server.js"), SERVER);
writeFileSync(join(app, "newel.config.js"), CONFIG);
try {
  await record();
} finally {
  newel("down");
  rmSync(world, { recursive: true, force: true });
}

async function record() {
  show("newel up");
  const load = startLoad();
  show("newel reload web");
  const { supervisor } = JSON.parse(newel("version", "--json").stdout);
  lines.push(`$ kill -9 ${supervisor.pid}   # the supervisor`, "");
  process.kill(supervisor.pid, "SIGKILL");
  show("newel up");
  show("newel ps");
  load.stdin.end();
  const report = JSON.parse((await load.report).trim().split("\n").at(-1));
  if (report.failedCount > 0 || report.requests === 0) {
    console.error(JSON.stringify(report.failed.slice(0, 5), undefined, 2));
    throw new Error(`${report.failedCount} of ${report.requests} requests failed`);
  }
  const requests = report.requests.toLocaleString("en");
  lines.push(`# ${requests} requests during these commands, 0 failed`);
  console.log(lines.join("\n"));
  mkdirSync(join(root, "docs/images"), { recursive: true });
  writeFileSync(join(root, "docs/images/terminal.svg"), drawTerminal(lines, "newel"));
}

/** Runs a command line of newel, and adds it to the picture with its output. */
function show(line) {
  const { status, stdout, stderr } = newel(...line.split(" ").slice(1));
  if (status !== 0) throw new Error(`${line} ended with ${status}: ${stdout}${stderr}`);
  lines.push(`$ ${line}`, ...`${stdout}${stderr}`.trimEnd().split("\n"), "");
}

function newel(...args) {
  const { NODE_OPTIONS: _, ...environment } = process.env;
  return spawnSync(process.execPath, [join(root, "dist/cli/main.js"), ...args], {
    cwd: app,
    encoding: "utf8",
    env: {
      ...environment,
      NEWEL_HOME: join(world, "home"),
      FORCE_COLOR: "1",
      COLUMNS: "80",
    },
  });
}

function startLoad() {
  const program = join(root, "test/load/client.ts");
  const args = [program, "--port", String(PORT), "--seconds", "120", "--until-eof"];
  const load = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  return { stdin: load.stdin, report: text(load.stdout) };
}
