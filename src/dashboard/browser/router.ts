import { useEffect, useState } from "preact/hooks";

/** The view and its filters, which are in the address: a link shows the same to another person. */
export interface Route {
  readonly view: string;
  readonly rest: readonly string[];
  readonly query: URLSearchParams;
}

function read(): Route {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", ...rest] = path.split("/").map(decodeURIComponent);
  return { view, rest, query: new URLSearchParams(query) };
}

export function useRoute(): Route {
  const [route, set] = useState(read);
  useEffect(() => {
    const listener = (): void => set(read());
    addEventListener("hashchange", listener);
    return () => removeEventListener("hashchange", listener);
  }, []);
  return route;
}

/** Changes a filter in the address; the former one is no step of the history. */
export function setQuery(name: string, value: string): void {
  const { query } = read();
  if (value === "") query.delete(name);
  else query.set(name, value);
  const [path = ""] = location.hash.split("?");
  const text = query.toString();
  history.replaceState(undefined, "", text === "" ? path : `${path}?${text}`);
  dispatchEvent(new Event("hashchange"));
}

/** `#/service/shop/web` */
export function serviceLink(app: string, service: string): string {
  return `#/service/${encodeURIComponent(app)}/${encodeURIComponent(service)}`;
}

export function logsLink(app: string, service: string): string {
  return `#/logs?service=${encodeURIComponent(`${app}/${service}`)}`;
}

export function runLink(id: string): string {
  return `#/run/${encodeURIComponent(id)}`;
}

/** `#/runs?queue=mails&state=failed` */
export function runsLink(filter: Readonly<Record<string, string>>): string {
  return `#/runs?${new URLSearchParams(filter).toString()}`;
}

export function go(link: string): void {
  location.hash = link;
}
