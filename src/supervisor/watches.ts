import { relative } from "node:path";

import { messageOf } from "../base/errors.ts";
import type { App } from "./app.ts";
import type { Commands } from "./commands.ts";
import type { ResolvedWatch } from "./config/resolved.ts";
import type { Service } from "./service.ts";

interface WatchesParts {
  readonly commands: Commands;
  readonly log: (text: string) => void;
}

/** The watcher of one service; it is loaded only for services with `watch`. */
interface Watched {
  readonly settings: string;
  close(): void;
}

/** Reloads running services with `watch` when their files change. */
export class Watches {
  readonly #parts: WatchesParts;
  readonly #watched = new Map<Service, Watched>();

  constructor(parts: WatchesParts) {
    this.#parts = parts;
  }

  /** Begins or ends the watch of a service after a change of its settings or of its desired state. */
  check(app: App, service: Service): void {
    const { spec, wanted } = service;
    const isThere = app.services.get(service.name) === service;
    const watch = isThere && wanted.up ? spec.watch || undefined : undefined;
    const settings = watch === undefined ? undefined : JSON.stringify(watch);
    if (this.#watched.get(service)?.settings === settings) return;
    this.forget(service);
    if (watch === undefined || settings === undefined) return;
    this.#watched.set(service, { settings, close: this.#begin(app, service, watch) });
  }

  forget(service: Service): void {
    this.#watched.get(service)?.close();
    this.#watched.delete(service);
  }

  close(): void {
    for (const watched of this.#watched.values()) watched.close();
    this.#watched.clear();
  }

  /** @returns a function that ends the watch */
  #begin(app: App, service: Service, watch: ResolvedWatch): () => void {
    const { commands, log } = this.#parts;
    const label = `${app.name}/${service.name}`;
    const shown = (file: string): string => relative(watch.base, file);
    let end = (): void => undefined;
    let isOver = false;
    import("./watch/service-watch.ts")
      .then(({ ServiceWatch }) => {
        if (isOver) return;
        const watcher = new ServiceWatch({
          ...watch,
          restart: async (files) => {
            // A `stop` may have come since then.
            if (!service.wanted.up) return;
            log(`${label}: ${files.map(shown).join(", ")} changed: reload`);
            await commands.each([{ app, service }], { kind: "reload" }, (event) => {
              if (event.type === "failed") log(`${label}: ${event.message}`);
            });
          },
          leftOut: (file) =>
            log(`${label}: ${shown(file)} changes whenever it starts: not watched any more`),
          failed: (error) => log(`${label}: ${messageOf(error)}`),
        });
        end = () => watcher.close();
      })
      .catch((error: unknown) => log(`${label} is not watched: ${messageOf(error)}`));
    return () => {
      isOver = true;
      end();
    };
  }
}
