/** The files, names and npm scripts that a page mentions in code, and which of them do not exist. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Repository {
  /** Paths of all files and folders from the root; folders end with a slash. */
  readonly paths: ReadonlySet<string>;
  /** All identifiers of the sources. */
  readonly words: ReadonlySet<string>;
  readonly scripts: ReadonlySet<string>;
}

const FOLDERS = "{src,test,scripts,bench,examples,docs,systemd,api,.github,.ci,.changeset}";
const FILE = /^[\w@.*/-]+\.(?:ts|tsx|mts|cts|mjs|cjs|js|c|h|json|md|yml|sh)$/;
const FOLDER = /^[\w.-]+(?:\/[\w.-]+)*\/$/;
/** `RestartTracker`, `Operation.advance()`, `planUpOf`, `NEWEL_E_STOP`: a word with an inner capital or underscore. */
const NAME =
  /^[A-Za-z_$]*[a-z_][A-Z][\w$]*(?:\.[\w$]+)*(?:\(\))?$|^[A-Z][a-z]\w*(?:\.[\w$]+)+(?:\(\))?$|^NEWEL_\w+$/;
/** Files and folders of the home or an installation, and placeholders. */
const AT_RUN_TIME =
  /^(?:\.\.?\/|~\/|\/|dist\/|node_modules\/|archive\/|control\/|fifo\/|spool\/|runtime\/|unsafe\/|bench\/results\/|jobs\.db|newel\.config|package-lock\.json$|my-|.*\bNAME\.)/;

/** Reads the repository once. */
export function readRepository(root: string): Repository {
  const paths = new Set<string>();
  const files = [
    ...globSync("{*,.*.json}", { cwd: root }),
    ...globSync(`${FOLDERS}/**`, { cwd: root }),
  ];
  for (const path of files.filter((name) => !/node_modules|^dist/.test(name))) {
    paths.add(path);
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      paths.add(path.slice(0, end + 1));
    }
  }
  const words = new Set<string>();
  for (const path of paths) {
    if (!/^(?:src|test|scripts)\/.*\.(?:ts|tsx|mjs|c)$/.test(path)) continue;
    if (path.startsWith("test/docs/")) continue;
    for (const [word] of readFileSync(join(root, path), "utf8").matchAll(/[A-Za-z_$][\w$]*/g)) {
      words.add(word);
    }
  }
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return { paths, words, scripts: new Set(Object.keys(scripts)) };
}

export interface Names {
  readonly files: readonly string[];
  readonly names: readonly string[];
  readonly scripts: readonly string[];
}

/** The names in the code spans of a page, and the npm scripts in its code blocks too. */
export function namesOf(page: string): Names {
  const blocks = page.match(/^```[\s\S]*?^```/gm) ?? [];
  const planned = [...page.matchAll(/`(\w+\/)` \(\d\) is not built yet/g)].map(([, path]) => path);
  const text = page.replaceAll(/^```[\s\S]*?^```/gm, "");
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span ?? "");
  const code = [...spans, ...blocks].join("\n");
  return {
    files: spans
      .filter((span) => FILE.test(span) || FOLDER.test(span))
      .filter((span) => isInRepository(span) && !planned.includes(span)),
    names: spans.filter((span) => NAME.test(span)),
    scripts: [...code.matchAll(/\bnpm run (?:-s |--silent )?([\w:.-]+)/g)].map(
      ([, script]) => script ?? "",
    ),
  };
}

function isInRepository(path: string): boolean {
  return !AT_RUN_TIME.test(path);
}

/** Names without a counterpart. A path is given from the root, from `src/`, or by its last parts. */
export function missingNames({ files, names, scripts }: Names, repository: Repository): string[] {
  const missing = [
    ...files.filter((path) => !hasPath(path, repository.paths)),
    ...names
      .map((name) => name.split(/[.(]/)[0] ?? "")
      .filter((name) => !repository.words.has(name)),
    ...names
      .map((name) => name.split(".").at(-1)?.replace("()", "") ?? "")
      .filter((name) => !repository.words.has(name) && !names.includes(name)),
    ...scripts.filter((name) => !repository.scripts.has(name)).map((name) => `npm run ${name}`),
  ];
  return [...new Set(missing)];
}

function hasPath(path: string, paths: ReadonlySet<string>): boolean {
  const pattern = new RegExp(
    `(?:^|/)${path.replaceAll(/[.$+()[\]]/g, String.raw`\$&`).replaceAll("*", "[^/]*")}$`,
  );
  return paths.has(path) || [...paths].some((one) => pattern.test(one));
}
