import { chmodSync, chownSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

import type { Home } from "../base/home.ts";
import { preloadPath } from "../base/modules.ts";
import type { ResolvedService } from "./config/resolved.ts";
import { privateControl } from "./control.ts";
import { isOtherUser } from "./launch-request.ts";

/** Enter, but do not list: names in the directory have to be known. */
const ENTER = 0o711;

/**
 * Gives the process of a service that runs as another user the files it needs: the preload to read, and a directory
 * for its control sockets, which that user alone owns. The home is opened to be entered, and nothing else in it.
 *
 * @param kernelName - of the generation that is about to start
 */
export function admitUser(home: Home, spec: ResolvedService, kernelName: string): void {
  const { uid, gid = 0 } = spec.identity ?? {};
  if (uid === undefined || !isOtherUser(spec)) return;
  for (const directory of [home.directory, home.controlDirectory]) open(directory, ENTER);
  openPreload(home);
  const directory = privateControl(home, kernelName);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // The parent is newel's own, so that no other program can have made a link of that name.
  if (lstatSync(directory).isDirectory()) chownSync(directory, uid, gid);
}

/** Makes the preload in the home readable for other users. An installation elsewhere keeps its file permissions. */
function openPreload({ runtimeDirectory, directory }: Home): void {
  const preload = preloadPath();
  if (!preload.startsWith(`${runtimeDirectory}/`)) return;
  open(preload, 0o644);
  for (let each = dirname(preload); each !== directory; each = dirname(each)) open(each, 0o755);
}

function open(path: string, mode: number): void {
  if ((statSync(path).mode & mode) !== mode) chmodSync(path, mode);
}
