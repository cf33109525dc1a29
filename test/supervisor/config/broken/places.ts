import type { BrokenCase } from "./case.ts";

export const PLACES: readonly BrokenCase[] = [
  {
    title: "behind a constant, as and satisfies",
    source:
      'import { defineConfig } from "newel";\nconst web = {\n  run: "x",\n  replicas: -1,\n} as const;\nconst config = defineConfig({\n  services: { web },\n} satisfies object);\nexport default config;\n',
    lines: [
      "newel.config.ts:4  services.web.replicas is -1; must be a whole number from 0 to 1000.",
    ],
  },
  {
    title: "behind a spread",
    source:
      'const base = {\n  replicas: -1,\n};\nexport default {\n  services: {\n    web: {\n      run: "x",\n      ...base,\n    },\n  },\n};\n',
    lines: [
      "newel.config.ts:2  services.web.replicas is -1; must be a whole number from 0 to 1000.",
    ],
  },
  {
    title: "behind a condition",
    source:
      'const prod = true;\nexport default {\n  services: {\n    web: prod\n      ? { run: "x", restart: "no" }\n      : { run: "x" },\n  },\n};\n',
    lines: [
      'newel.config.ts:5  services.web.restart is "no"; use "always", "on-failure" or "never". Did you mean "never"?',
    ],
  },
  {
    title: "made by code: the nearest place",
    source:
      'export default {\n  services: Object.fromEntries(\n    ["a"].map((name) => [name, { run: "x", replicas: -1 }]),\n  ),\n};\n',
    lines: ["newel.config.ts:2  services.a.replicas is -1; must be a whole number from 0 to 1000."],
  },
  {
    title: "imported: the nearest place",
    source:
      'import { web } from "./part.ts";\nexport default {\n  services: {\n    web,\n  },\n};\n',
    files: { "part.ts": 'export const web = { run: "x", replicas: -1 };\n' },
    lines: [
      "newel.config.ts:4  services.web.replicas is -1; must be a whole number from 0 to 1000.",
    ],
  },
  {
    title: "module.exports",
    files: {
      "newel.config.js":
        'module.exports = {\n  services: {\n    web: { run: "x", replicas: -1 },\n  },\n};\n',
      "package.json": '{ "type": "commonjs" }',
    },
    lines: [
      "newel.config.js:3  services.web.replicas is -1; must be a whole number from 0 to 1000.",
    ],
  },
  {
    title: "all at once, in the order of the file",
    source:
      'export default {\n  services: {\n    web: {\n      instances: 2,\n      node: 5,\n      restart: "allways",\n      dependsOn: ["dbb"],\n    },\n    db: { run: "x", listen: 0, umask: "x" },\n  },\n  sokets: {},\n  name: "a b",\n};\n',
    lines: [
      'newel.config.ts:4  services.web.instances is not a setting here: pm2\'s "instances" is "replicas".',
      'newel.config.ts:5  services.web.node is 5; must be the file of a Node.js program: "src/server.ts".',
      'newel.config.ts:6  services.web.restart is "allways"; use "always", "on-failure" or "never". Did you mean "always"?',
      'newel.config.ts:7  services.web.dependsOn has "dbb"; there is no such service. Did you mean "db"?',
      "newel.config.ts:9  services.db.listen is 0; a port is a whole number from 1 to 65535.",
      'newel.config.ts:9  services.db.umask is "x"; must be three octal digits in quotes, such as "022".',
      'newel.config.ts:11  sokets is not a setting here. Did you mean "sockets"?',
      'newel.config.ts:12  name is "a b"; use letters, digits, ".", "-" and "_", a letter or digit first. Did you mean "a-b"?',
    ],
  },
];
