import { Server } from "node:net";

import { attempt } from "./attempt.ts";
import { passToChildren } from "./children.ts";
import type { Listen } from "./listen.ts";
import { loadServing } from "./load-serving.ts";
import { announcePresence } from "./presence.ts";
import type { Settings, Target } from "./settings.ts";
import { shareOf } from "./share.ts";
import { prepareStopSignal } from "./stop-signal.ts";

/**
 * Prepares a process of a service. The larger part of the preload, {@link loadServing}, is loaded at the
 * first listen(), because most processes of `npm start` never listen. A failure is reported, and the app runs
 * without that part.
 */
export function start(settings: Settings): void {
  attempt("the app runs as without the preload", () => setUp(settings));
}

function setUp(settings: Settings): void {
  const { role, control } = settings;
  const taken = new Set<Target>();
  const takeSignal = prepareStopSignal(settings.stopSignal);
  const begin = replaceListen((listen) => {
    let replacement = listen;
    attempt("the app runs as without the preload", () => {
      replacement = loadServing().startServing({ settings, taken, takeSignal, listen });
    });
    return replacement;
  });
  passToChildren(shareOf(settings, taken));
  if (role !== "candidate") begin();
  else if (control !== undefined) announcePresence(control);
}

/**
 * Replaces `Server.prototype.listen` by a function that loads its implementation at the first call. The
 * replacement stays, because another library may have wrapped it.
 *
 * @returns a function that loads the implementation before the first call
 */
function replaceListen(load: (original: Listen) => Listen): () => void {
  const original = Reflect.get(Server.prototype, "listen") as Listen;
  let replacement: Listen | undefined;
  const begin = (): Listen => {
    if (replacement === undefined) {
      // While the implementation is loaded, servers of the preload itself listen.
      replacement = original;
      replacement = load(original);
    }
    return replacement;
  };
  Server.prototype.listen = function listen(this: Server, ...args: unknown[]): Server {
    return begin().apply(this, args);
  };
  return begin;
}
