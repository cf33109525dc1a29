import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { runsNode } from "../../../src/supervisor/config/runs-node.ts";
import { temporaryDirectory } from "../../helpers/resources.ts";

test("a run that starts Node.js programs is recognised, and no other", (t) => {
  const directory = temporaryDirectory(t);
  const bin = join(directory, "node_modules/.bin");
  mkdirSync(bin, { recursive: true });
  const script = (path: string, text: string): string => {
    const file = join(directory, path);
    writeFileSync(file, text);
    chmodSync(file, 0o755);
    return file;
  };
  script("node_modules/.bin/next", "#!/usr/bin/env node\n");
  script("node_modules/.bin/vite", '#!/bin/sh\nexec node  "$basedir/../vite/bin/vite.js" "$@"\n');
  const start = script("start.sh", "#!/bin/bash\ncd app\nNODE_ENV=production exec npm start\n");
  const python = script("serve.py", "#!/usr/bin/python3\nnode = 1\n");
  script("plain.sh", "#!/bin/sh\n# not node\nexec python3 serve.py\n");

  const path = "/usr/bin:/bin";
  const yes = [
    "npm start",
    "yarn dev",
    "node server.js",
    "NODE_ENV=production exec node server.js",
    "cd app && pnpm run start",
    "node migrate.js; node server.js | tee app.log",
    "next start",
    "./node_modules/.bin/vite",
    start,
    "./start.sh",
    ["npx", "tsx", "app.ts"],
    ["/opt/node-22/bin/node", "app.js"],
    ["./start.sh"],
  ];
  const no = [
    "python3 -m http.server",
    "./serve.py",
    python,
    "./plain.sh",
    "node migrate.js && exec python3 serve.py",
    "./missing",
    "missing",
    "",
    [],
    ["python3", "node"],
    [directory],
  ];
  for (const run of yes) assert.equal(runsNode(run, directory, path), true, String(run));
  for (const run of no) assert.equal(runsNode(run, directory, path), false, String(run));
});
