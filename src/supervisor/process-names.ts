/**
 * One generation of one replica of a service. Its kernel name contains every field, so that a
 * restarted supervisor reads the running replicas from the kernel's list alone.
 */
export interface RunName {
  readonly app: string;
  readonly service: string;
  /** The number that the operator sees: `web.1`. The lowest free one at the start. */
  readonly slot: number;
  /** Counts every generation of the app, so that the output of ended ones is kept under its own name. */
  readonly run: number;
  /** The start of the service's settings hash at the time. */
  readonly hash: string;
}

const HASH_CHARACTERS = 8;

/** `shop/web.1#17-3fa9c2d1` */
export function formatRunName({ app, service, slot, run, hash }: RunName): string {
  return `${app}/${service}.${slot}#${run}-${hash.slice(0, HASH_CHARACTERS)}`;
}

/** `undefined` for a process that another client made in this kernel. */
export function parseRunName(name: string): RunName | undefined {
  const match = /^([^/]+)\/(.+)\.(\d+)#(\d+)-([0-9a-f]+)$/.exec(name);
  if (match === null) return undefined;
  const [, app = "", service = "", slot, run, hash = ""] = match;
  return { app, service, slot: Number(slot), run: Number(run), hash };
}

/** `web.1` */
export function shownName({ service, slot }: Pick<RunName, "service" | "slot">): string {
  return `${service}.${slot}`;
}

/** Whether a run was started with these settings. */
export function isOfHash(run: RunName, hash: string): boolean {
  return hash.startsWith(run.hash);
}

/** The kernel value with the stored state of an app. */
export function appValueName(app: string): string {
  return `newel/app/${app}`;
}

const DEPLOY = "deploy/";

/** The kernel's name of the process that deploys an app: one at a time. */
export function deployProcessName(app: string): string {
  return `${DEPLOY}${app}`;
}

/** The app of a process that deploys one; `undefined` for other processes. */
export function deployedApp(processName: string): string | undefined {
  return processName.startsWith(DEPLOY) ? processName.slice(DEPLOY.length) : undefined;
}

/** The name of a kernel socket in a program: `shop/2/web` is `web`. */
export function programSocketName(kernelName: string): string {
  return kernelName.slice(kernelName.lastIndexOf("/") + 1).replaceAll(":", "_");
}

/**
 * The kernel's name of a socket of an app: `shop/web`. The supervisor may have chosen another one
 * (`shop/2/web`) because the former socket of that name is still in use; programs see the part after
 * the last `/` in either case.
 */
export function socketName(
  app: string,
  socket: { readonly name: string; readonly kernelName?: string },
): string {
  return socket.kernelName ?? `${app}/${socket.name}`;
}
