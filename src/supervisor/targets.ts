import { newelError } from "../base/errors.ts";
import { closest, matches } from "../base/names.ts";
import type { Target } from "./api.ts";
import type { App } from "./app.ts";
import type { Service } from "./service.ts";

/** A service with its app. */
export interface Found {
  readonly app: App;
  readonly service: Service;
}

/**
 * The services a target names: `web`, `shop/web`, a prefix with `*`; none: all of the app, or all.
 *
 * @throws NEWEL_E_NO_SERVICE, with the nearest name there is; NEWEL_E_AMBIGUOUS
 */
export function findServices(apps: ReadonlyMap<string, App>, target: Target): Found[] {
  const all = [...apps.values()].flatMap((app) =>
    [...app.services.values()].map((service) => ({ app, service })),
  );
  if (target.names.length === 0) {
    return target.app === undefined || !apps.has(target.app)
      ? all
      : all.filter(({ app }) => app.name === target.app);
  }
  const found = target.names.flatMap((name) => findOne(all, name, target.app));
  return found.filter(
    (entry, index) => found.findIndex(({ service }) => service === entry.service) === index,
  );
}

function findOne(all: readonly Found[], name: string, preferredApp: string | undefined): Found[] {
  // `web.1` stands for its service where there is none of that very name.
  const candidates = [name, name.replace(/\.\d+$/, "")];
  for (const candidate of candidates) {
    const found = all.filter(
      ({ app, service }) =>
        matches(candidate, service.name) || matches(candidate, `${app.name}/${service.name}`),
    );
    if (candidate.endsWith("*") && found.length > 0) return found;
    const preferred = found.filter(({ app }) => app.name === preferredApp);
    if (found.length > 1 && preferred.length !== 1) {
      const list = found.map(({ app, service }) => `${app.name}/${service.name}`).join(", ");
      throw newelError("NEWEL_E_AMBIGUOUS", { name, matches: list });
    }
    if (found.length > 0) return preferred.length === 1 ? preferred : found;
  }
  const near = closest(
    name,
    all.map(({ service }) => service.name),
  );
  throw newelError("NEWEL_E_NO_SERVICE", {
    name,
    hint: near === undefined ? "" : `. Did you mean ${near}?`,
  });
}
