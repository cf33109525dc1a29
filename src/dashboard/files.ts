import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { newelError, systemCode } from "../base/errors.ts";

/** A file of the page, as it is sent. */
export interface PageFile {
  readonly type: string;
  readonly content: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  "app.js": "text/javascript; charset=utf-8",
  "app.css": "text/css; charset=utf-8",
};

/** The page without data: everything that it shows comes from the stream of a session. */
const SHELL = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>newel</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/app.css">
</head>
<body>
<div id="app"></div>
<noscript>The dashboard needs JavaScript. <code>newel why</code> and <code>newel ps</code> say the same.</noscript>
<script type="module" src="/app.js"></script>
</body>
</html>
`;

const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#1f6f5c"/><path d="M4.5 12V4.6c0-.7.9-1 1.3-.4L10 10V4h1.5v7.4c0 .7-.9 1-1.3.4L6 6v6z" fill="#fff"/></svg>`;

/**
 * The files of the page, by their paths. scripts/dashboard.mjs builds them: into `dist/`, and for programs that run from
 * the sources into the cache of node_modules.
 *
 * @throws NEWEL_E_DASH_FILES
 */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const directory = import.meta.url.endsWith(".ts")
    ? "../../node_modules/.cache/newel/dashboard"
    : "../dashboard";
  const shell = { type: "text/html; charset=utf-8", content: Buffer.from(SHELL) };
  const files = new Map<string, PageFile>([
    ["/", shell],
    ["/icon.svg", { type: "image/svg+xml", content: Buffer.from(ICON) }],
  ]);
  for (const [name, type] of Object.entries(TYPES)) {
    const path = fileURLToPath(new URL(`${directory}/${name}`, import.meta.url));
    try {
      files.set(`/${name}`, { type, content: readFileSync(path) });
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
      throw newelError("NEWEL_E_DASH_FILES", { path }, error);
    }
  }
  return files;
}
