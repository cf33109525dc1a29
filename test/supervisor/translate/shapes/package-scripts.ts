import { SERVER, type Shape, WORKER } from "./shape.ts";

export const PACKAGES: readonly Shape[] = [
  {
    title: "a Next.js site: start among scripts for development",
    from: "package.json",
    files: {
      "package.json": `{
  "name": "site",
  "scripts": {
    "dev": "next dev",
    "build": "next build",
    "start": "next start -p <PORT>",
    "lint": "eslint ."
  }
}
`,
    },
    services: { web: { run: "next start -p 3000", listen: 3000 } },
    dropped: ["4 scripts.dev"],
  },
  {
    title: "a NestJS monorepo: production, workers and hooks",
    from: "package.json",
    files: {
      "package.json": `{
  "scripts": {
    "start": "nest start",
    "start:dev": "nest start --watch",
    "start:prod": "node dist/main",
    "prestart:worker": "node migrate.js",
    "start:worker": "node worker.js",
    "test": "jest"
  }
}
`,
      "dist/main.js": SERVER,
      "worker.js": WORKER,
      "migrate.js": "",
    },
    services: { web: { node: "dist/main", listen: 3000 }, worker: { run: "npm run start:worker" } },
    dropped: ["3 scripts.start", "4 scripts.start:dev"],
  },
  {
    title: "an Express app with a variable in front",
    runs: true,
    from: "package.json",
    files: {
      "package.json":
        '{ "scripts": { "start": "NODE_ENV=production PORT=<PORT> node ./bin/www" } }\n',
      "bin/www": "#!/usr/bin/env node\nrequire('../app').listen(process.env.PORT || '3000');\n",
      "app.js":
        "module.exports = require('node:http').createServer((_, response) => response.end('ok'));\n",
    },
    services: { web: { run: "NODE_ENV=production PORT=3000 node ./bin/www", listen: 3000 } },
  },
];
