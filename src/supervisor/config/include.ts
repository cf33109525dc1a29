import { existsSync, realpathSync } from "node:fs";
import { dirname, extname, resolve } from "node:path";

import { CONFIG_EXTENSIONS } from "../../base/project.ts";
import { isRecord } from "./leaves.ts";
import { type Finding, type Key, kindOf, quoted } from "./problems.ts";
import type { Report } from "./report.ts";

// `include: ["services/redis.json"]`: other configuration files, whose services and sockets are added. Their relative
// paths count from their own directory.

type Evaluate = (file: string) => Promise<Report>;
type Value = Extract<Report, { readonly type: "value" }>;

/** A configuration file with its value. */
export interface Part {
  /** Absolute. */
  readonly file: string;
  readonly report: Value;
}

/** A configuration with everything that it includes. */
export interface Included {
  readonly value: unknown;
  readonly parts: readonly Part[];
  /** By `services.NAME` and `sockets.NAME`, the included file that has it. */
  readonly owners: ReadonlyMap<string, Part>;
  /** Each with the file that has the problem. */
  readonly findings: readonly (Finding & { readonly part: Part })[];
  /** A file that could not be read. */
  readonly failure?: Extract<Report, { readonly type: "failure" }>;
}

const MOST_FILES = 100;
const KINDS = ["services", "sockets"] as const;

/** Reads the files that a configuration includes, and those that they include. */
export async function readIncludes(
  main: Part,
  evaluate: Evaluate,
  expand: (path: string) => string,
): Promise<Included> {
  const parts: Part[] = [main];
  const owners = new Map<string, Part>();
  const findings: (Finding & { readonly part: Part })[] = [];
  const value = isRecord(main.report.value) ? { ...main.report.value } : main.report.value;
  const result = (): Included => ({ value, parts, owners, findings });
  if (!isRecord(value) || value["include"] === undefined) return result();
  const all: Record<string, Record<string, unknown>> = {};
  for (const kind of KINDS) all[kind] = { ...(isRecord(value[kind]) ? value[kind] : {}) };
  const queue = [...pathsOf(main, value["include"], findings)].map((each) => ({
    ...each,
    trail: [main.file],
  }));
  delete value["include"];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { from, keys, trail } = next;
    const path = resolve(dirname(from.file), expand(next.path));
    const says = problemOf(next, path, parts);
    if (says !== undefined) {
      findings.push({ keys, says, part: from });
      continue;
    }
    const file = realpathSync(path);
    const report = await evaluate(file);
    if (report.type === "failure") return { ...result(), failure: report };
    const part = { file, report };
    parts.push(part);
    findings.push(...report.findings.map((finding) => ({ ...finding, part })));
    if (!isRecord(report.value)) {
      findings.push({
        keys: [],
        label: [],
        part,
        says: `The file exports ${kindOf(report.value)}; write export default { services: { … } }.`,
      });
      continue;
    }
    findings.push(...merge(part, report.value, all, owners));
    for (const each of pathsOf(part, report.value["include"], findings))
      queue.push({ ...each, trail: [...trail, file] });
  }
  for (const kind of KINDS)
    if (value[kind] !== undefined || Object.keys(all[kind] ?? {}).length > 0)
      value[kind] = all[kind];
  return result();
}

interface Path {
  readonly from: Part;
  readonly path: string;
  readonly keys: readonly Key[];
}

/** The reason why a file cannot be included; `undefined` when it can. */
function problemOf(
  asked: Path & { readonly trail: readonly string[] },
  path: string,
  parts: readonly Part[],
): string | undefined {
  const shown = quoted(asked.path);
  if (!CONFIG_EXTENSIONS.includes(extname(path)))
    return `is ${shown}; a configuration file ends with ${CONFIG_EXTENSIONS.join(", ")}.`;
  if (!existsSync(path)) return `is ${shown}, which does not exist: ${quoted(path)}.`;
  const file = realpathSync(path);
  const { trail } = asked;
  if (trail.includes(file))
    return `makes a circle: ${[...trail.slice(trail.indexOf(file)), file].join(" → ")}.`;
  if (parts.some((part) => part.file === file)) return `is ${shown}, which is included already.`;
  return parts.length > MOST_FILES
    ? `is one file too many: a configuration includes at most ${MOST_FILES}.`
    : undefined;
}

function pathsOf(
  from: Part,
  include: unknown,
  findings: (Finding & { readonly part: Part })[],
): Path[] {
  if (include === undefined) return [];
  const list: readonly unknown[] = Array.isArray(include) ? include : [include];
  return list.flatMap((path, index) => {
    const keys = Array.isArray(include) ? ["include", index] : ["include"];
    if (typeof path === "string" && path !== "" && !path.includes("\0"))
      return [{ from, path, keys }];
    findings.push({
      keys,
      part: from,
      says: `is ${kindOf(path)}; must be a file name or a list of them: "services/redis.json".`,
    });
    return [];
  });
}

/** Adds the services and sockets of an included file. */
function merge(
  part: Part,
  value: Record<string, unknown>,
  all: Record<string, Record<string, unknown>>,
  owners: Map<string, Part>,
): (Finding & { readonly part: Part })[] {
  const findings: (Finding & { readonly part: Part })[] = [];
  for (const key of Object.keys(value))
    if (key !== "include" && key !== "services" && key !== "sockets")
      findings.push({
        keys: [key],
        part,
        says: 'has no place in an included file, which has "services", "sockets" and "include" alone.',
      });
  for (const kind of KINDS) {
    const given = value[kind];
    if (given === undefined) continue;
    if (!isRecord(given)) {
      findings.push({
        keys: [kind],
        part,
        says: `is ${kindOf(given)}; must be an object by name.`,
      });
      continue;
    }
    for (const [name, settings] of Object.entries(given)) {
      const into = all[kind] ?? {};
      if (Object.hasOwn(into, name)) {
        const other = owners.get(`${kind}.${name}`)?.file ?? "the configuration";
        findings.push({
          keys: [kind, name],
          part,
          says: `is in ${other} too: names are unique over all included files.`,
        });
        continue;
      }
      owners.set(`${kind}.${name}`, part);
      into[name] = isRecord(settings) ? placed(settings, kind, dirname(part.file)) : settings;
    }
  }
  return findings;
}

/** The settings of an included file with its relative paths made absolute. */
function placed(
  settings: Record<string, unknown>,
  kind: "services" | "sockets",
  directory: string,
): Record<string, unknown> {
  const absolute = (path: unknown): unknown =>
    typeof path === "string" && !path.startsWith("${") ? resolve(directory, path) : path;
  if (kind === "sockets")
    return "path" in settings ? { ...settings, path: absolute(settings["path"]) } : settings;
  const { envFile, cwd = "." } = settings;
  return {
    ...settings,
    cwd: absolute(cwd),
    ...(envFile === undefined
      ? {}
      : { envFile: Array.isArray(envFile) ? envFile.map(absolute) : absolute(envFile) }),
  };
}
