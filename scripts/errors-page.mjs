// Writes docs/errors.md from the code table; a test holds the two together.
import { readFileSync, writeFileSync } from "node:fs";

import { ERROR_CODES } from "../src/base/error-codes.ts";

const source = readFileSync(new URL("../src/base/error-codes.ts", import.meta.url), "utf8");
const lines = [
  "# Errors",
  "",
  "Every error of newel has a code, says what failed and why, and what to do. `{words}` stand for what was met.",
  'With `--json` an error is `{ "code", "message", "fix", "data" }`.',
];
for (const line of source.split("\n")) {
  const section = /^ {2}\/\/ (.+)$/.exec(line);
  if (section !== null) lines.push("", `## ${section[1]}`);
  const code = /^ {2}(NEWEL_E_[A-Z_]+):/.exec(line)?.[1];
  if (code === undefined) continue;
  const { text, fix } = ERROR_CODES[code];
  lines.push("", `### ${code}`, "", text, "", `*What to do:* ${fix}`);
}
writeFileSync(new URL("../docs/errors.md", import.meta.url), `${lines.join("\n")}\n`);
