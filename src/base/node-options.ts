/**
 * The preload's part of NODE_OPTIONS. It is always written in double quotes, which Node.js reads
 * with `\"` and `\\` as the only escapes, so that a path may have any character but NUL.
 */

/** The file name of the built preload; it identifies newel's part, whichever copy of newel wrote it. */
export const PRELOAD_FILE = "newel-preload.cjs";

const PART = new RegExp(
  String.raw`(?:^|\s+)(?:--require|-r)[=\s]\s*(?:"(?:[^"\\]|\\.)*newel-preload\.cjs"|[^\s"]*newel-preload\.cjs)(?=\s|$)`,
  "g",
);

/**
 * Adds the preload to the value of NODE_OPTIONS, and keeps the present options.
 *
 * The preload comes first: it must see the first listener of the stop signal. Hooks of the app (tracing,
 * Yarn's `.pnp.cjs`, compilers) then wrap the functions of the preload as they would wrap Node's.
 */
export function withPreload(nodeOptions: string | undefined, path: string): string {
  const own = `--require="${path.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
  const other = withoutPreload(nodeOptions);
  return other === undefined ? own : `${own} ${other}`;
}

/** Removes the preload from the value of NODE_OPTIONS; `undefined` when no other option is left. */
export function withoutPreload(nodeOptions: string | undefined): string | undefined {
  const other = nodeOptions?.replaceAll(PART, "").trim();
  return other === "" ? undefined : other;
}

/** Whether the preload is part of this value of NODE_OPTIONS. */
export function hasPreload(nodeOptions: string): boolean {
  return nodeOptions.search(PART) >= 0;
}

/**
 * The environment for a program of newel, such as a worker of a pool: without the preload, which is for the
 * programs of a service.
 */
export function environmentWithoutPreload(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, ...rest } = environment;
  const other = withoutPreload(NODE_OPTIONS);
  return other === undefined ? rest : { ...rest, NODE_OPTIONS: other };
}
