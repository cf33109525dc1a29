import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { ERROR_CODES } from "../../src/base/error-codes.ts";
import { parseArguments } from "../../src/cli/arguments.ts";
import { readRequests } from "../../src/cli/commands/scale.ts";
import { signalName } from "../../src/cli/commands/signal.ts";
import { EXIT, EXIT_MEANINGS, exitCodeOf, exitCodeOfCode } from "../../src/cli/exit-codes.ts";
import { commandNames, loadCommand, splitName } from "../../src/cli/table.ts";
import { runHere } from "./capture.ts";

/** Wrong command lines, and the error for each. */
const WRONG: readonly (readonly [line: string, says: RegExp])[] = [
  ["pss", /There is no command "pss"\. Did you mean "newel ps"\?/],
  ["relaod web", /Did you mean "newel reload"\?/],
  ["lst", /Did you mean "newel (list|ls)"\?/],
  ["frobnicate", /There is no command "frobnicate"\.\n/],
  ["constructor", /There is no command "constructor"/],
  ["ps --jsn", /"newel ps" has no option --jsn\. Did you mean --json\?/],
  ["ps --constructor", /has no option --constructor/],
  ["ps -z", /has no option -z/],
  ["ps --all=yes", /--all takes no value/],
  ["logs -n", /-n needs a value: -n LINES/],
  ["logs -n many", /-n needs a number of lines or "all", not "many"/],
  ["logs --lines=", /--lines needs a value/],
  ["up web", /"web" is one word too many: newel up /],
  ["show", /Something is missing: newel show SERVICE…/],
  ["signal HUP", /Something is missing/],
  ["signal NOPE web", /There is no signal NOPE/],
  ["scale", /Something is missing/],
  ["scale web", /"web" does not say how many/],
  ["scale web=x", /does not say how many/],
  ["scale web=99999999", /asks for more than 10000 processes/],
  ["start web --timeout soon", /--timeout is "soon", which is not a duration/],
  ["kernel stat", /"stat" is nothing the kernel does/],
  ["help nothing", /There is no command "nothing"/],
  [
    "help NEWEL_E_ADDRESS_TOKEN",
    /no error code NEWEL_E_ADDRESS_TOKEN. Did you mean NEWEL_E_ADDRESS_TAKEN\?/,
  ],
];

for (const [line, says] of WRONG) {
  test(`newel ${line}: exit code 2, and the reason`, async () => {
    const { code, stdout, stderr } = await runHere(line.split(" "));
    assert.equal(code, EXIT.usage);
    assert.match(stderr, says);
    assert.match(stderr, /^error: /);
    assert.match(stderr, /\(NEWEL_E_\w+\)\n$/);
    assert.equal(stdout, "");
    assert.doesNotMatch(stderr, /\n {4}at /, "no stack");
  });
}

test("with --json the error is an object on stdout as well", async () => {
  const { code, stdout } = await runHere(["ps", "--nope", "--json"]);
  assert.equal(code, 2);
  const { v, error } = JSON.parse(stdout) as { v: number; error: Record<string, unknown> };
  assert.equal(v, 1);
  assert.equal(error["code"], "NEWEL_E_USAGE");
  assert.equal(typeof error["message"], "string");
  assert.equal(typeof error["fix"], "string");
});

test("every exit code has a meaning, every error code an exit code", () => {
  assert.deepEqual(Object.keys(EXIT_MEANINGS), Object.keys(EXIT));
  const known: readonly number[] = Object.values(EXIT);
  for (const code of Object.keys(ERROR_CODES)) assert.ok(known.includes(exitCodeOfCode(code)));
  assert.equal(exitCodeOf(new Error("not ours")), EXIT.failed);
  assert.equal(exitCodeOfCode("NEWEL_E_CONFIG"), EXIT.configInvalid);
  assert.equal(exitCodeOfCode("NEWEL_E_KERNEL_UNREACHABLE"), EXIT.unreachable);
  assert.equal(exitCodeOfCode("toString"), EXIT.failed);
});

test("scale reads absolute and relative numbers, and the form of other tools", () => {
  assert.deepEqual(readRequests(["web=3", "a=b=+1", "w=-2"]), [
    { service: "web", replicas: 3, relative: false },
    { service: "a=b", replicas: 1, relative: true },
    { service: "w", replicas: -2, relative: true },
  ]);
  assert.deepEqual(readRequests(["web", "4"]), [{ service: "web", replicas: 4, relative: false }]);
});

test("a signal has many names", () => {
  for (const word of ["SIGHUP", "HUP", "hup", "1"]) assert.equal(signalName(word), "SIGHUP");
});

test("every command has a help that begins with its summary and shows its options", async () => {
  for (const name of commandNames()) {
    const command = await loadCommand(name);
    assert.equal(command.name, name);
    const { code, stdout, stderr } = await runHere(["help", name]);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    assert.ok(stdout.startsWith(`${command.summary}.\n`), stdout);
    assert.ok(stdout.includes(`Usage: newel ${name}`));
    assert.ok(command.examples.length > 0, `${name} has no example`);
    for (const [option, { hidden }] of Object.entries(command.options))
      assert.equal(stdout.includes(`--${option}`), hidden !== true, `${name} --${option}`);
    assert.equal((await runHere([name, "--help"])).stdout, stdout);
    assert.equal((await runHere([name, "-h", "surplus", "words"])).stdout, stdout);
  }
});

test("newel alone and newel help fit a terminal, without escape sequences", async () => {
  for (const argv of [[], ["help"], ["--help"], ["help", "config"]]) {
    const { code, stdout } = await runHere(argv);
    assert.equal(code, 0);
    assert.ok(!stdout.includes("\u001B"));
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  }
  const { stdout } = await runHere([]);
  for (const name of commandNames("everyday")) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
  assert.equal(stdout.match(/^ {2}newel /gm)?.length, 3);
});

test("words of other tools find their command", async () => {
  for (const [alias, name] of [
    ["ls", "ps"],
    ["list", "ps"],
    ["status", "ps"],
    ["describe", "show"],
    ["info", "show"],
    ["delete", "stop"],
    ["rm", "stop"],
  ] as const)
    assert.equal((await loadCommand(alias)).name, name);
});

test("newel help --json lists the commands for programs", async () => {
  const { stdout } = await runHere(["help", "--json"]);
  const commands = JSON.parse(stdout) as { v: number; name: string }[];
  assert.deepEqual(
    commands.map(({ v, name }) => [v, name]),
    commandNames().map((name) => [1, name]),
  );
});

test("newel help CODE prints the error, what to do and its section of the page", async () => {
  const { code, stdout } = await runHere(["help", "newel_e_address_taken"]);
  assert.equal(code, EXIT.done);
  const { text, fix } = ERROR_CODES.NEWEL_E_ADDRESS_TAKEN;
  const [head, , shown, , toDo, , place = ""] = stdout.split("\n");
  assert.deepEqual([head, shown, toDo], ["NEWEL_E_ADDRESS_TAKEN", text, `What to do: ${fix}`]);
  const [page = "", anchor] = place.split("#");
  assert.equal(anchor, "newel_e_address_taken");
  assert.match(readFileSync(page, "utf8"), /^### NEWEL_E_ADDRESS_TAKEN$/m);
  const json = await runHere(["help", "NEWEL_E_ADDRESS_TAKEN", "--json"]);
  assert.partialDeepStrictEqual(JSON.parse(json.stdout), {
    code: "NEWEL_E_ADDRESS_TAKEN",
    text,
    fix,
  });
});

test("each command line in the advice of an error is understood", async () => {
  for (const [code, { text, fix }] of Object.entries(ERROR_CODES)) {
    for (const [, line = ""] of `${text} ${fix}`.matchAll(/`newel ([a-z][^`&|]*)`/g)) {
      const { name, rest } = splitName(
        line
          .replace(/\{\w+\}|…/g, "word")
          .trim()
          .split(/ +/),
      );
      const command = await loadCommand(name);
      assert.doesNotThrow(() => parseArguments(command, rest), `${code}: newel ${line}`);
    }
  }
});
