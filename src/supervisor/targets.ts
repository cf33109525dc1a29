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
 * Where a pattern such as `web*` may match: in one app for verbs that act, because the services of another app are
 * seldom meant; in every app for lists.
 */
type Reach = "one app" | "every app";

/**
 * The services a target names: `web`, `shop/web`, a prefix with `*`, a tag `@backend`; none: all of the app, or all. With an app, a name
 * without its app stands for a service of that app alone.
 *
 * @throws NEWEL_E_NO_SERVICE, with the nearest name there is; NEWEL_E_AMBIGUOUS
 */
export function findServices(
  apps: ReadonlyMap<string, App>,
  { app, names }: Target,
  reach: Reach = "one app",
): Found[] {
  const all = [...apps.values()].flatMap((each) =>
    [...each.services.values()].map((service) => ({ app: each, service })),
  );
  if (names.length === 0) {
    // The app may have gone down since the caller read the list of apps; the name must not match another app
    // then.
    if (app !== undefined && reach === "one app" && !apps.has(app)) throw noSuchApp(app);
    return app === undefined ? all : all.filter((found) => found.app.name === app);
  }
  const found = names.flatMap((name) => findOne(all, { app, name }, reach));
  return found.filter(
    (entry, index) => found.findIndex(({ service }) => service === entry.service) === index,
  );
}

/** A name as the operator wrote it, and the app for a name that contains none. */
interface Named {
  readonly app: string | undefined;
  readonly name: string;
}

/** The services with a tag. */
function findTagged(all: readonly Found[], { app, name }: Named, reach: Reach): Found[] {
  const reached = all.filter((each) => app === undefined || each.app.name === app);
  const found = reached.filter(({ service }) => service.spec.tags?.includes(name.slice(1)));
  if (reach === "one app" && new Set(found.map((each) => each.app)).size > 1)
    throw newelError("NEWEL_E_AMBIGUOUS", { name, matches: listOf(found) });
  if (found.length > 0) return found;
  const near = closest(
    name.slice(1),
    reached.flatMap(({ service }) => service.spec.tags ?? []),
  );
  const hint = near === undefined ? "; no service has that tag" : `. Did you mean @${near}?`;
  throw newelError("NEWEL_E_NO_SERVICE", { name, hint });
}

function findOne(all: readonly Found[], { app, name }: Named, reach: Reach): Found[] {
  if (name.startsWith("@")) return findTagged(all, { app, name }, reach);
  // `web.1` means the service `web`, unless a service is called `web.1`.
  for (const candidate of [name, name.replace(/\.\d+$/, "")]) {
    const found = all.filter((each) => isNamed(each, candidate, app));
    const apps = new Set(found.map((each) => each.app));
    const isPattern = candidate.endsWith("*");
    if (isPattern ? apps.size > 1 && reach === "one app" : found.length > 1)
      throw newelError("NEWEL_E_AMBIGUOUS", { name, matches: listOf(found) });
    if (found.length > 0) return found;
  }
  // As in pm2, where no service has that name.
  if (name === "all") return all.filter((each) => app === undefined || each.app.name === app);
  throw noSuchService(all, { app, name });
}

function isNamed({ app, service }: Found, word: string, meant: string | undefined): boolean {
  if (word.includes("/")) return matches(word, `${app.name}/${service.name}`);
  return (meant === undefined || app.name === meant) && matches(word, service.name);
}

const listOf = (found: readonly Found[]): string =>
  found.map(({ app, service }) => `${app.name}/${service.name}`).join(", ");

function noSuchApp(app: string): Error {
  return newelError("NEWEL_E_NO_SERVICE", { name: `of an app ${app}`, hint: "" });
}

function noSuchService(all: readonly Found[], { app, name }: Named): Error {
  const elsewhere = app === undefined ? [] : all.filter((each) => isNamed(each, name, undefined));
  if (elsewhere.length > 0)
    return newelError("NEWEL_E_NO_SERVICE", {
      name: `${name} in the app ${app}`,
      hint: `; there is ${listOf(elsewhere)}`,
    });
  const near = closest(
    name,
    all.map(({ service }) => service.name),
  );
  return newelError("NEWEL_E_NO_SERVICE", {
    name,
    hint: near === undefined ? "" : `. Did you mean ${near}?`,
  });
}
