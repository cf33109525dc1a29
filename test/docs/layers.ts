/** The layers that ARCHITECTURE.md states, and those that the linter's configuration enforces. */

export interface Layers {
  /** Folders of src with their layer. */
  readonly tops: ReadonlyMap<string, number>;
  /** Folders that are in the linter before they exist. */
  readonly planned: ReadonlyMap<string, number>;
  /** Folders that import fewer layers than their number allows: "imports only `base/`". */
  readonly only: ReadonlyMap<string, ReadonlySet<string>>;
  /** Folders within those of src. */
  readonly inner: readonly string[];
  readonly innerLayers: readonly (readonly [path: string, layer: number])[];
}

/** Reads the table of layers; throws if a folder has two rows. */
export function layersOf(page: string): Layers {
  const tops = new Map<string, number>();
  const only = new Map<string, Set<string>>();
  const innerLayers: [string, number][] = [];
  const seen = new Set<string>();
  for (const [, number, folders, content] of page.matchAll(/^\| (\d) \| (.+?) \| (.+) \|$/gm)) {
    for (const [, path] of (folders ?? "").matchAll(/`([\w/]+)\/`/g)) {
      if (path === undefined) continue;
      if (seen.has(path)) throw new Error(`${path}/ is twice in the table of layers`);
      seen.add(path);
      const layer = Number(number);
      if (path.includes("/")) innerLayers.push([path, layer]);
      else tops.set(path, layer);
      const narrow = /imports only ((?:`\w+\/`(?:, | and )?)+)$/.exec(content ?? "")?.[1];
      if (narrow !== undefined) only.set(path, foldersIn(narrow));
    }
  }
  const planned = [...page.matchAll(/`(\w+)\/` \((\d)\) is not built yet/g)];
  return {
    tops,
    planned: new Map(planned.map(([, name, layer]) => [name ?? "", Number(layer)])),
    only,
    inner: innerLayers.map(([path]) => path),
    innerLayers,
  };
}

function foldersIn(text: string): Set<string> {
  return new Set([...text.matchAll(/`(\w+)\/`/g)].map(([, name]) => name ?? ""));
}

interface Configuration {
  readonly overrides: readonly {
    readonly files: readonly string[];
    readonly rules: { readonly "no-restricted-imports"?: readonly [string, Restriction] };
  }[];
}
interface Restriction {
  readonly patterns: readonly { readonly regex?: string }[];
}

/** For each folder of src that the linter knows: whether it forbids an import of that path. */
export function linterLayers(configuration: string): Map<string, (path: string) => boolean> {
  const { overrides }: Configuration = JSON.parse(configuration);
  const layers = new Map<string, (path: string) => boolean>();
  for (const { files, rules } of overrides) {
    const folder = /^src\/(\w+)\/\*\*$/.exec(files.length === 1 ? (files[0] ?? "") : "")?.[1];
    const rule = rules["no-restricted-imports"];
    if (folder === undefined || rule === undefined) continue;
    if (rule[0] !== "error") throw new Error(`the layer of ${folder} is no error of the linter`);
    const regexes = rule[1].patterns.flatMap(({ regex }) =>
      regex === undefined ? [] : [new RegExp(regex, "u")],
    );
    layers.set(folder, (path) => regexes.some((regex) => regex.test(path)));
  }
  return layers;
}
