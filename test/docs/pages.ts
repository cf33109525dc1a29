// The fenced blocks and command lines of README.md, the guides and the reference.
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

export interface Block {
  readonly page: string;
  /** Where the block begins, for messages: `docs/guide/bus.md:6`. */
  readonly place: string;
  readonly language: string;
  /** The file that the block is to be written to: "server.js" of "```js [server.js]". */
  readonly file?: string;
  readonly code: string;
}

/** Paths of README.md, the guides and the reference, relative to the repository. */
export const PAGES: readonly string[] = [
  "README.md",
  "docs/README.md",
  ...globSync(["docs/guide/*.md", "docs/reference/*.md"], { cwd: ROOT }).sort(),
];

/** Pages of other parts, where only configurations and command lines are checked here: the tests of the part. */
export const PAGES_ELSEWHERE: Readonly<Record<string, string>> = {
  "docs/guide/docker.md": "test/docs/docker.test.ts",
  "docs/guide/github-actions.md": "test/docs/github-actions.test.ts",
  "docs/guide/jobs.md": "test/jobs/client/guide.test.ts",
  "docs/guide/jobs-server.md": "test/jobs/server/",
  "docs/guide/jobs-web.md": "test/jobs/web/guide.test.ts",
  "docs/guide/kubernetes.md": "test/docs/kubernetes.test.ts",
  "docs/guide/low-ports.md": "test/docs/low-ports.test.ts",
  "docs/guide/pool.md": "test/pool/examples.test.ts",
  "docs/guide/security.md": "test/docs/security.test.ts",
  "docs/guide/singleton.md": "test/singleton/examples.test.ts",
  "docs/guide/systemd.md": "test/docs/systemd.test.ts",
};

/**
 * Guides that are followed literally, block by block, in an empty home (test/docs/followed.test.ts):
 * each with the ports that it uses, and the beginnings of blocks and lines that are not run, each
 * with the reason or the test that has it.
 */
export const PAGES_FOLLOWED: Readonly<Record<string, Followed>> = {
  "docs/guide/backup.md": { ports: [] },
  "docs/guide/develop.md": { ports: [3000, 4000] },
  "docs/guide/getting-started.md": { ports: [3000] },
  "docs/guide/logs.md": { ports: [3000] },
  "docs/guide/migrate-from-bullmq.md": { ports: [] },
  "docs/guide/migrate-from-compose.md": {
    ports: [3000, 6379],
    notRun: [["docker compose down", "there is no docker here"]],
    needs: { "redis-server": "redis-server" },
  },
  "docs/guide/migrate-from-piscina.md": {
    ports: [],
    notRun: [['import { Piscina } from "piscina"', "the program before the migration"]],
  },
  "docs/guide/migrate-from-supervisord.md": {
    ports: [8000],
    notRun: [["supervisorctl stop all", "supervisord does not run here"]],
    needs: { python3: "python3" },
  },
  "docs/guide/migrate-from-pm2.md": {
    ports: [3000, 3001],
    notRun: [["npx pm2 delete all", "pm2 is not installed here, and holds no port"]],
  },
  "docs/guide/reverse-proxy.md": {
    ports: [3000, 8080, 8081],
    needs: { nginx: "nginx-light", caddy: "caddy" },
  },
  "docs/guide/services.md": { ports: [3000] },
  "docs/guide/troubleshooting.md": { ports: [3000, 3001] },
  "docs/guide/typescript.md": { ports: [3000] },
};

export interface Followed {
  readonly ports: readonly number[];
  /** Programs that the page uses, each with the Debian package that has it. */
  readonly needs?: Readonly<Record<string, string>>;
  readonly notRun?: readonly (readonly [beginning: string, reason: string])[];
}

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

export function blocksOf(page: string): Block[] {
  const text = readPage(page);
  return [...text.matchAll(/^ *```(\w*)(?: \[(\S+)\])?.*\n([^]*?)^ *```$/gm)].map((match) => {
    const [, language = "", file, code = ""] = match;
    const line = text.slice(0, match.index).split("\n").length;
    const block = { page, place: `${page}:${line}`, language, code };
    return file === undefined ? block : { ...block, file };
  });
}

export interface ShellLine {
  readonly place: string;
  /** The line without its comment. */
  readonly line: string;
}

export function shellLines({ place, code }: Block): ShellLine[] {
  return code
    .split("\n")
    .map((line) => line.replace(/(?:^|\s+)#.*/, ""))
    .filter((line) => line !== "")
    .map((line) => ({ place, line }));
}

/** The words after each `newel` of a shell line, one list for each command. */
export function newelCommands(line: string): string[][] {
  const tokens = line.match(/(?:"[^"]*"|'[^']*'|[^\s"'|&;<>])+|[|&;<>]+/g) ?? [];
  const commands: string[][] = [[]];
  for (const token of tokens) {
    if (/^[|&;<>]/.test(token)) commands.push([]);
    else commands.at(-1)?.push(token.replace(/(["'])(.*?)\1/g, "$2"));
  }
  return commands
    .map((words) => words.filter((word, index) => index > 0 || !["npx", "exec"].includes(word)))
    .filter(([program]) => program === "newel")
    .map(([, ...words]) => words);
}
