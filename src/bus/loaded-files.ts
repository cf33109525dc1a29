import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

/**
 * Reports each file that this program has loaded as a module, and each that it loads later: ESM,
 * CommonJS, JSON and TypeScript, in this thread. Modules without a file (`node:fs`, `data:`) are
 * skipped.
 *
 * @param found - called with the path, possibly more than once
 * @returns a function that stops the reports
 */
export function watchLoadedFiles(found: (path: string) => void): () => void {
  const tell = (url: string): void => {
    const path = filePath(url);
    if (path !== undefined) found(path);
  };
  const hooks = registerHooks({
    load: (url, context, next) => {
      tell(url);
      return next(url, context);
    },
  });
  // Hooks see only modules that are loaded after them; the inspector lists the earlier ones.
  for (const url of parsedScripts()) tell(url);
  return () => hooks.deregister();
}

function filePath(url: string): string | undefined {
  if (url.startsWith("/")) return url;
  return url.startsWith("file:") ? fileURLToPath(url) : undefined;
}

function parsedScripts(): string[] {
  const urls: string[] = [];
  const { Session } = process.getBuiltinModule("node:inspector");
  const session = new Session();
  session.connect();
  session.on("Debugger.scriptParsed", ({ params }) => urls.push(params.url));
  session.post("Debugger.enable");
  session.disconnect();
  return urls;
}
