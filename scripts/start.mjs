// `npm start`: brings the example app up in the foreground and tells what to try with it. This file
// has to parse on Node.js 12, so that an old one ends with a sentence.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
/** The oldest Node.js that newel runs on, as `24.15`. */
const oldest = engines.node.replace(/^[^0-9]+/, "");
const config = join(root, "examples", "shop", "newel.config.ts");
const cli = join(root, "dist", "cli", "main.js");

if (isTooOld()) {
  tellTooOld();
  process.exit(1);
}
if (isStale()) buildFirst();
void import(pathToFileURL(commands()).href).then(run).then((code) => process.exit(code));

/** The bundle of the commands has a hash in its name. */
function commands() {
  const name = readdirSync(dirname(cli)).find((each) => /^cli-\w+\.js$/.test(each));
  return join(dirname(cli), name);
}

function isTooOld() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [oldestMajor, oldestMinor] = oldest.split(".").map(Number);
  return major < oldestMajor || (major === oldestMajor && minor < oldestMinor);
}

function tellTooOld() {
  console.error(`newel needs Node.js ${oldest} or newer; this is ${process.version}.`);
  if (existsSync(join(root, "node_modules", "node"))) {
    console.error("This clone brings one along, but its install script has not run. Run");
    console.error("  npm rebuild node");
  } else {
    console.error("This clone brings one along with its dependencies. Run");
    console.error("  npm ci");
  }
  console.error("and then `npm start` again.");
}

/** Whether a source file is newer than what was built from it. */
function isStale() {
  if (!existsSync(cli)) return true;
  const builtMs = statSync(cli).mtimeMs;
  const sources = readdirSync(join(root, "src"), { recursive: true });
  return sources.some((name) => statSync(join(root, "src", name)).mtimeMs > builtMs);
}

function buildFirst() {
  const { status } = spawnSync(process.execPath, [join(root, "scripts", "build.mjs")], {
    stdio: "inherit",
  });
  if (status === 0 && existsSync(cli)) return;
  console.error("newel could not be built: run `npm ci`, then `npm start` again.");
  process.exit(1);
}

/**
 * npm passes a SIGTERM on to a shell alone, which dies of it and tells nobody: an end of the parent
 * counts as one.
 */
function endWithParent() {
  const parent = process.ppid;
  const look = () => process.ppid === parent || process.kill(process.pid, "SIGTERM");
  setInterval(look, 500).unref();
}

function run({ execute }) {
  endWithParent();
  const { stdout, stderr, env } = process;
  const surroundings = { stdout, stderr, cwd: root, environment: env, onUp: tellWhatToTry };
  return execute(["run", "-c", config].concat(process.argv.slice(2)), surroundings);
}

/** `:3000` is every address of this machine. */
function toUrl(address) {
  if (address.startsWith("/")) return address;
  return `http://${address.startsWith(":") ? "127.0.0.1" : ""}${address}`;
}

function tellWhatToTry({ supervisorPid, services }) {
  const width = Math.max(...services.map(({ name }) => name.length));
  const running = services.map(({ name, ready, replicas, listen }) => {
    const where = listen.map(toUrl).join(" ");
    return `  ${name.padEnd(width)}  ${ready} of ${replicas} ready  ${where}`.trimEnd();
  });
  console.error(`
Running now:
${running.join("\n")}

Try in another terminal, in this directory, with the page open:
  npx newel ps                 what runs
  npx newel reload web         new processes for old ones, without a failed request
  npx newel restart web        requests wait until it is back
  npx newel logs -f web        what it prints, across reloads
  kill -9 ${String(supervisorPid).padEnd(20)} the supervisor dies; the app does not notice, and it comes back

Ctrl-C here stops everything.
`);
}
