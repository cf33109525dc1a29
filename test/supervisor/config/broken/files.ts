import { type BrokenCase, web, SERVICE_SETTINGS } from "./case.ts";

export const WHOLE_FILES: readonly BrokenCase[] = [
  {
    title: "no default export",
    source: "export const config = {};\n",
    lines: [
      "newel.config.ts  The file has no default export: write export default defineConfig({ … }).",
    ],
  },
  {
    title: "empty file",
    source: "",
    lines: [
      'newel.config.ts  The file has no "services": write services: { web: { node: "src/server.ts" } }.',
    ],
  },
  {
    title: "a function",
    source: "\nexport default () => ({ services: {} });\n",
    lines: [
      "newel.config.ts:2  The default export is a function; newel takes plain data: call it, or write its result.",
    ],
  },
  {
    title: "a promise",
    source: "\nexport default Promise.resolve({ services: {} });\n",
    lines: [
      "newel.config.ts:2  The default export is a promise; await it: top-level await works in this file.",
    ],
  },
  {
    title: "a text",
    source: 'export default "x";\n',
    lines: [
      "newel.config.ts:1  The file exports a text; write export default defineConfig({ services: { … } }).",
    ],
  },
  {
    title: "a list",
    source: "export default [];\n",
    lines: [
      "newel.config.ts:1  The file exports a list; write export default defineConfig({ services: { … } }).",
    ],
  },
  {
    title: "an empty object",
    source: "export default {};\n",
    lines: [
      'newel.config.ts:1  The file has no "services": write services: { web: { node: "src/server.ts" } }.',
    ],
  },
  {
    title: "an enum",
    source: "const a = 1;\nenum Level { Low }\nexport default { services: {} };\n",
    lines: [
      "newel.config.ts:2  TypeScript's enum does not work here: Node.js only removes types. Write an object: const Level = { low: 1 } as const.",
    ],
  },
  {
    title: "a namespace",
    source: "namespace N { export const a = 1; }\nexport default {};\n",
    lines: [
      "newel.config.ts:1  TypeScript's namespace declaration does not work here: Node.js only removes types. Write plain exports.",
    ],
  },
  {
    title: "a parameter property",
    source: "class A {\n  constructor(private a: number) {}\n}\nexport default {};\n",
    lines: [
      "newel.config.ts:2  TypeScript's parameter property does not work here: Node.js only removes types. Write a field and an assignment.",
    ],
  },
  {
    title: "a comma too few",
    source: 'export default {\n  name: "a"\n  services: {},\n};\n',
    lines: ["newel.config.ts:3  The file cannot be parsed: expected ',', got a word."],
  },
  {
    title: "an unclosed text",
    source: 'export default {\n  name: "hunter2hunter2\n};\n',
    lines: ["newel.config.ts:2  The file cannot be parsed: unterminated string constant."],
  },
  {
    title: "JavaScript syntax",
    files: { "newel.config.mjs": 'export default {\n  name: "it"s hunter2hunter2",\n};\n' },
    lines: ["newel.config.mjs:2  The file cannot be parsed: unexpected identifier."],
  },
  {
    title: "syntax of an import",
    files: {
      "newel.config.mjs": 'import "./lib/part.mjs";\nexport default {};\n',
      "lib/part.mjs": "\n\nconst a = = 1;\n",
    },
    lines: ["lib/part.mjs:3  The file cannot be parsed: unexpected token '='."],
  },
  {
    title: "TypeScript of an import",
    source: 'import "./part.ts";\nexport default {};\n',
    files: { "part.ts": "\nenum A { B }\n" },
    lines: [
      "part.ts:2  TypeScript's enum does not work here: Node.js only removes types. Write an object: const Level = { low: 1 } as const.",
    ],
  },
  {
    title: "missing package",
    source: '\nimport x from "@acme/nowhere/deep";\nexport default x;\n',
    lines: [
      'newel.config.ts:2  The import "@acme/nowhere/deep" cannot be found. Install it (npm install @acme/nowhere), or correct the name.',
    ],
  },
  {
    title: "missing file",
    source: 'import x from "./nowhere.ts";\nexport default x;\n',
    lines: [
      'newel.config.ts:1  The import "./nowhere.ts" cannot be found. Check the path; it is relative to this file and needs its extension (.ts, .js).',
    ],
  },
  {
    title: "missing file of an import",
    source: 'import "./part.ts";\nexport default {};\n',
    files: { "part.ts": 'export {};\n\nimport "./gone.ts";\n' },
    lines: [
      'part.ts:3  The import "./gone.ts" cannot be found. Check the path; it is relative to this file and needs its extension (.ts, .js).',
    ],
  },
  {
    title: "missing name",
    source: 'import { b } from "./part.ts";\nexport default b;\n',
    files: { "part.ts": "export const a = 1;\n" },
    lines: [
      'newel.config.ts:1  "./part.ts" exports no "b". Check the name; a type needs import type.',
    ],
  },
  {
    title: "throws",
    source: 'const a = 1;\n\nthrow new Error("no database here.");\nexport default a;\n',
    lines: ["newel.config.ts:3  The file throws when it is read: no database here."],
  },
  {
    title: "throws in a function of another file",
    source: 'import { f } from "./part.ts";\n\nexport default f();\n',
    files: { "part.ts": 'export const f = () => { throw new TypeError("bad"); };\n' },
    lines: ["newel.config.ts:3  The file throws when it is read: TypeError: bad."],
  },
  {
    title: "throws a text",
    source: 'throw "no";\n',
    lines: ["newel.config.ts  The file throws when it is read: no."],
  },
  {
    title: "undefined member",
    source: "\nexport default { services: {}, name: process.env.NOPE.x };\n",
    lines: [
      "newel.config.ts:2  The file throws when it is read: TypeError: Cannot read properties of undefined (reading 'x').",
    ],
  },
  {
    title: "bad JSON.parse",
    source: '\nexport default JSON.parse("{hunter2hunter2");\n',
    lines: [
      "newel.config.ts:2  The file throws when it is read: SyntaxError: Expected property name or '}' in JSON at position 1 (line 1 column 2).",
    ],
  },
  {
    title: "rejects",
    source: 'await Promise.reject(new Error("later"));\nexport default {};\n',
    lines: ["newel.config.ts:1  The file throws when it is read: later."],
  },
  {
    title: "ends the process",
    source: "process.exit(3);\n",
    lines: [
      "newel.config.ts  The file ended its process with exit code 3 before it exported anything: newel reads it as a module, so it must not call process.exit().",
    ],
  },
  {
    title: "waits for ever",
    source: "await new Promise(() => {});\nexport default {};\n",
    lines: [
      "newel.config.ts  The file waits for a promise that never settles (a top-level await).",
    ],
  },
  {
    title: "a function as a value",
    source: web("env: { A: () => 1 }"),
    lines: [
      "newel.config.ts:4  services.web.env.A is a function; newel takes plain data: call it, or write its result.",
    ],
  },
  {
    title: "odd values",
    source: web('args: [new Date(), 1n, Symbol("x"), new Map(), /x/, NaN, Promise.resolve("x")]'),
    lines: [
      "newel.config.ts:4  services.web.args[0] is a Date; newel takes plain data: texts, numbers, lists and objects.",
      "newel.config.ts:4  services.web.args[1] is a bigint; write a number.",
      "newel.config.ts:4  services.web.args[2] is a symbol; newel takes plain data.",
      "newel.config.ts:4  services.web.args[3] is a Map; newel takes plain data: texts, numbers, lists and objects.",
      "newel.config.ts:4  services.web.args[4] is a RegExp; newel takes plain data: texts, numbers, lists and objects.",
      "newel.config.ts:4  services.web.args[5] is NaN; write a finite number.",
      "newel.config.ts:4  services.web.args[6] is a promise; await it: top-level await works in this file.",
    ],
  },
  {
    title: "a circle of objects",
    source:
      'const web: Record<string, unknown> = { run: "x" };\nweb.env = { web };\nexport default {\n  services: { web },\n};\n',
    lines: ["newel.config.ts:4  services.web.env.web contains itself: newel takes plain data."],
  },
  {
    title: "a getter that throws",
    source: 'export default {\n  services: {\n    get web() { throw new Error("x"); },\n  },\n};\n',
    lines: ["newel.config.ts:3  services.web cannot be read: its getter throws."],
  },
  {
    title: "JSON with a comma too many",
    files: { "newel.config.json": '{\n  "services": {},\n}\n' },
    lines: [
      "newel.config.json:3  The file is not valid JSON: JSON has names and texts in double quotes, no comments, no comma at the end.",
    ],
  },
  {
    title: "JSON with a comment",
    files: { "newel.config.json": '// x\n{ "services": {} }\n' },
    lines: [
      "newel.config.json:1  The file is not valid JSON: JSON has names and texts in double quotes, no comments, no comma at the end.",
    ],
  },
  {
    title: "JSON that ends",
    files: { "newel.config.json": '{\n  "services": {\n    "web": "hunter2hunter2\n' },
    lines: [
      "newel.config.json:3  The file is not valid JSON: JSON has names and texts in double quotes, no comments, no comma at the end.",
    ],
  },
  {
    title: "JSON with a wrong setting",
    files: {
      "newel.config.json":
        '{\n  "services": {\n    "web": {\n      "node": "server.ts",\n      "instances": 2\n    }\n  }\n}\n',
    },
    lines: [
      'newel.config.json:5  services.web.instances is not a setting here: pm2\'s "instances" is "replicas".',
    ],
  },
  {
    title: "hostile keys",
    files: {
      "newel.config.json":
        '{\n  "services": {\n    "__proto__": { "run": "x" },\n    "constructor": { "run": "x" },\n    "web": { "run": "x", "toString": 1, "hasOwnProperty": 2 }\n  }\n}\n',
    },
    lines: [
      "newel.config.json:3  services.__proto__ is not a usable key.",
      "newel.config.json:4  services.constructor is not a usable key.",
      `newel.config.json:5  services.web.toString is not a setting here; there are ${SERVICE_SETTINGS}.`,
      `newel.config.json:5  services.web.hasOwnProperty is not a setting here; there are ${SERVICE_SETTINGS}.`,
    ],
  },
  {
    title: "a key that a terminal obeys",
    source: 'export default {\n  services: {},\n  "\\u001b[31m\\u009b\\u202e": 1,\n};\n',
    lines: [
      'newel.config.ts:3  ["\\u001b[31m\\u009b\\u202e"] is not a setting here; there are "name", "env", "profileEnv", "envFile", "include", "sockets", "services", "jobs", "on", "metrics", "deploy".',
    ],
  },
  {
    title: "env file lines",
    source: web('envFile: [".env", ".env.local?"]'),
    files: { ".env": 'A=1\nhunter2hunter2\n# x\nB="open\n' },
    lines: [
      ".env:2  This line is not of the form NAME=value.",
      ".env:4  This line opens a quote that is never closed.",
    ],
  },
  {
    title: "CommonJS package",
    source: "export default {};\n",
    files: { "package.json": '{ "type": "commonjs" }' },
    lines: [
      'newel.config.ts:1  The file is read as CommonJS, because package.json says "type": "commonjs". Rename it to newel.config.mts.',
    ],
  },
];
