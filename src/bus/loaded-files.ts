import { Session } from "node:inspector";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

/**
 * Tells of each file this program has loaded as a module, and of each it still loads: ESM, CommonJS,
 * JSON and TypeScript, in this thread. Modules without a file (`node:fs`, `data:`) are passed over.
 *
 * @param found - called with the path, perhaps more than once
 * @returns stops it
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
  // Hooks see only what is loaded after them; the inspector names what was before.
  for (const url of parsedScripts()) tell(url);
  return () => hooks.deregister();
}

function filePath(url: string): string | undefined {
  if (url.startsWith("/")) return url;
  return url.startsWith("file:") ? fileURLToPath(url) : undefined;
}

function parsedScripts(): string[] {
  const urls: string[] = [];
  const session = new Session();
  session.connect();
  session.on("Debugger.scriptParsed", ({ params }) => urls.push(params.url));
  session.post("Debugger.enable");
  session.disconnect();
  return urls;
}
