// The guides are followed literally: every file is written, every command line runs, and prints the text of the page.
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";

import { type Followed, PAGES_FOLLOWED } from "./pages.ts";
import { Reader } from "./reader.ts";

function missing({ needs = {} }: Followed): string | false {
  const packages = Object.entries(needs)
    .filter(([program]) => spawnSync("which", [program]).status !== 0)
    .map(([, name]) => name);
  return packages.length === 0 ? false : `run \`apt-get install ${packages.join(" ")}\` first`;
}

describe("followed literally in an empty home", { concurrency: 2 }, () => {
  for (const [page, followed] of Object.entries(PAGES_FOLLOWED))
    test(`${page} works`, { skip: missing(followed) }, (t) => Reader.follow(t, page, followed));
});
