import assert from "node:assert/strict";
import { test } from "node:test";
import { parseEnv } from "node:util";

import { parseEnvFile } from "../../../src/supervisor/config/env-file.ts";
import { processEnvironment } from "../../../src/supervisor/config/environment.ts";
import { bareEnvironment, load, loadError, makeApp, serviceOf } from "./app.ts";

test("an environment is made of the base, passEnv and the files; nothing else leaks in", async (t) => {
  const directory = makeApp(t, {
    ".env": "A=app file\nB=app file\nC=app file\nD=app file\nSHELL=app file",
    ".env.local": "B=second app file",
    "deep/.env.web": "D=service file\nE=service file",
    "newel.config.ts": `export default {
      envFile: [".env", ".env.local", ".env.none?"],
      env: { C: "app", D: "app", E: "app", F: 1.5 },
      services: {
        web: {
          run: "x",
          passEnv: ["AWS_*", "A", "HOME_DIR"],
          envFile: "deep/.env.web",
          env: { E: "service", LEFT_OUT: undefined, EMPTY: "" },
        },
        plain: { run: "x" },
      },
    };`,
  });
  const environment = {
    ...bareEnvironment,
    HOME: "/home/me",
    NODE_ENV: "production",
    SHELL: "/bin/sh",
    A: "caller",
    AWS_REGION: "eu",
    SECRET: "must stay",
    NEWEL_HOME: "/x",
    NODE_OPTIONS: "",
  };
  const config = await load(directory, { environment });
  const base = { HOME: "/home/me", NODE_ENV: "production", PATH: bareEnvironment["PATH"] };
  assert.deepEqual(serviceOf(config, "web").base, { ...base, SHELL: "/bin/sh" });
  assert.deepEqual(serviceOf(config, "web").env, {
    A: "app file",
    AWS_REGION: "eu",
    B: "second app file",
    C: "app",
    D: "service file",
    E: "service",
    EMPTY: "",
    F: "1.5",
    SHELL: "app file",
  });
  assert.deepEqual(processEnvironment(serviceOf(config, "plain")), {
    ...base,
    A: "app file",
    B: "second app file",
    C: "app",
    D: "app",
    E: "app",
    F: "1.5",
    SHELL: "app file",
  });
});

test("passEnv of everything hands on nothing of newel, of npm and of the shell itself", async (t) => {
  const directory = makeApp(t, {
    "newel.config.json": '{ "services": { "a": { "run": "x", "passEnv": ["*"] } } }',
  });
  const environment = {
    ...bareEnvironment,
    X: "1",
    NEWEL_HOME: "/x",
    NEWEL_MARK: "y",
    npm_command: "exec",
    PWD: "/here",
    SHLVL: "2",
  };
  const { env } = serviceOf(await load(directory, { environment }), "a");
  const { PATH: _, ...others } = bareEnvironment;
  assert.deepEqual(env, { ...others, X: "1" });
});

const SECRET = "correct horse battery staple";

// Each of these gets a secret into a place whose value a message would show.
const LEAKS: Readonly<Record<string, string>> = {
  "a throw": "throw new Error(`cannot reach ${process.env.TOKEN}!`);\nexport default {};",
  "a throw of text": "throw process.env.TOKEN;\nexport default {};",
  "a throw of what the file itself loaded":
    "process.loadEnvFile('.env');\nthrow new Error(process.env.FROM_FILE);\nexport default {};",
  "a listen": 'export default { services: { a: { run: "x", listen: process.env.TOKEN } } };',
  "a restart": 'export default { services: { a: { run: "x", restart: process.env.TOKEN } } };',
  "a dependency":
    'export default { services: { a: { run: "x", dependsOn: [process.env.TOKEN] } } };',
  "a program": "export default { services: { a: { node: process.env.TOKEN } } };",
  "a env value": 'export default { services: { a: { run: "x", env: [process.env.TOKEN] } } };',
  "an environment of the wrong form": `export default { services: { a: { run: "x", env: { A: ["${SECRET}"] } } } };`,
  "an environment under another tool's word": `export default { services: { a: { run: "x", environment: { A: "${SECRET}" } } } };`,
  "an env file": 'export default { services: { a: { run: "x", envFile: ".env.broken" } } };',
  "a parse error": "export default JSON.parse('{' + process.env.TOKEN);",
  "a wrong text": `export default { a: "it"${SECRET.replaceAll(" ", "_")}" };`,
};

// As it is, over several lines with characters that JSON escapes, and longer than the shown part of a value.
const FORMS = {
  "one line": SECRET,
  "several lines": `"${SECRET}"\n${SECRET}\t\u001b[1m`,
  long: SECRET.repeat(20),
};

for (const [form, token] of Object.entries(FORMS)) {
  test(`no value of an environment is shown: ${form}`, async (t) => {
    const directory = makeApp(t, {
      "throws.ts": "throw new Error(`cannot reach ${process.env.TOKEN}!`);\nexport default {};",
      "shows.ts":
        'export default { services: { a: { run: "x", listen: "x" + process.env.TOKEN } } };',
      "imports.ts": "export default await import(process.env.TOKEN ?? '');",
    });
    const environment = { ...bareEnvironment, TOKEN: token };
    for (const file of ["throws.ts", "shows.ts", "imports.ts"]) {
      const { message } = await loadError(directory, { environment, file });
      assert.ok(!/horse|staple/.test(message), message);
    }
  });
}

for (const [place, source] of Object.entries(LEAKS)) {
  test(`no value of an environment is shown: ${place}`, async (t) => {
    const directory = makeApp(t, {
      "newel.config.ts": source,
      ".env": `FROM_FILE=${SECRET}`,
      ".env.broken": `${SECRET}\nA='${SECRET}`,
    });
    const environment = { ...bareEnvironment, TOKEN: SECRET };
    const error = await loadError(directory, { environment });
    const told = JSON.stringify(error) + error.message + String(error.cause);
    assert.ok(!/horse|staple/.test(told), told);
  });
}

// Files that both parsers must read alike.
const ENV_FILES = [
  "A=1",
  "A=1\nB=2\n",
  " A = 1 \r\nB=2\r\n",
  "export A=1",
  "A=",
  'A=""',
  "A='x # y'",
  'A="x\\ny"',
  "A='x\\ny'",
  "A=`x\ny`",
  'A="x\ny"\nB=2',
  "A=x # comment",
  "A=x#comment",
  "# comment\n\nA=1",
  "A=b=c",
  'A="x" trailing\nB=1',
  "A='it is \"so\"'",
  "A=1\nA=2",
  "\tA=\t1\t",
  "A=  spaced out  ",
];

for (const source of ENV_FILES) {
  test(`a .env file is read as Node.js reads it: ${JSON.stringify(source)}`, () => {
    const { variables, problems } = parseEnvFile(source);
    assert.deepEqual(problems, []);
    assert.deepEqual({ ...variables }, { ...parseEnv(source) });
  });
}

test("lines of a .env file that cannot be read are reported by number", () => {
  const { variables, problems } = parseEnvFile(
    'A="1\n2"\nsecret\n1B=secret\n\n=secret\nC="open\nD=4',
  );
  assert.deepEqual(variables, { A: "1\n2", D: "4" });
  assert.deepEqual(
    problems.map(({ line }) => line),
    [3, 4, 6, 7],
  );
  assert.ok(!JSON.stringify(problems).includes("secret"));
});
