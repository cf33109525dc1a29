import { newelError } from "../../base/errors.ts";
import { closest, matches } from "../../base/names.ts";
import type { Observed } from "./types.ts";

/** A service that a command line means. */
interface Chosen {
  readonly observed: Observed;
  readonly named: boolean;
  /** The replica that was named: `web.1`. */
  readonly process?: string;
}

/** The services that words mean: `web`, `web.1`, `shop/web`, `web*`; without a word, all of them. */
export function choose(
  services: readonly Observed[],
  words: readonly string[],
  app: string | undefined,
): { readonly chosen: readonly Chosen[]; readonly unknown: readonly string[] } {
  const candidates = services.filter((each) => app === undefined || each.app === app);
  if (words.length === 0)
    return { chosen: candidates.map((observed) => ({ observed, named: false })), unknown: [] };
  const chosen: Chosen[] = [];
  const unknown: string[] = [];
  for (const word of words) {
    const whole = candidates.filter((each) => isMeant(word, each));
    const service = word.replace(/\.\d+$/, "");
    const owners = whole.length > 0 ? whole : candidates.filter((each) => isMeant(service, each));
    const process = whole.length > 0 ? undefined : word.slice(word.lastIndexOf("/") + 1);
    if (owners.length === 0) unknown.push(word);
    for (const observed of owners)
      chosen.push({ observed, named: true, ...(process === undefined ? {} : { process }) });
  }
  return { chosen, unknown };
}

function isMeant(word: string, { app, service }: Observed): boolean {
  return matches(word, service) || matches(word, `${app}/${service}`);
}

/** NEWEL_E_NO_SERVICE with the nearest name there is. */
export function noService(name: string, services: readonly Observed[]): Error {
  const near = closest(
    name,
    services.map(({ service }) => service),
  );
  const hint = near === undefined ? "" : `. Did you mean ${near}?`;
  return newelError("NEWEL_E_NO_SERVICE", { name, hint });
}
