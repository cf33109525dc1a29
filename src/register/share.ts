import { PRELOAD_ENV } from "../base/preload.ts";

import { identityOf, type Share } from "./children.ts";
import { type Settings, STOP_VARIABLES, type Target } from "./settings.ts";

/**
 * Makes the inheritance of a child: the variables and descriptors of the targets that this process has not
 * taken. A worker of node:cluster listens through its primary, and only needs the settings for its stop.
 */
export function shareOf(settings: Settings, taken: ReadonlySet<Target>): Share {
  const { targets, notifyFd, variables } = settings;
  const identities = new Map(
    [...targets.flatMap((target) => descriptorsOf(target).map(([, fd]) => fd)), notifyFd].map(
      (fd) => [fd, fd === undefined ? "" : identityOf(fd)],
    ),
  );
  const isStill = (fd: number | undefined): fd is number =>
    fd !== undefined && identities.get(fd) !== undefined && identityOf(fd) === identities.get(fd);
  return (isClusterWorker, first) => {
    if (isClusterWorker) {
      const stop = Object.entries(variables).filter(([name]) => STOP_VARIABLES.includes(name));
      return { env: Object.fromEntries(stop), descriptors: [] };
    }
    const left = targets.filter((target) => !taken.has(target));
    if (left.length === 0) return undefined;
    const passed = left.flatMap(descriptorsOf).filter(([, fd]) => isStill(fd));
    const descriptors = passed.map(([, fd]) => fd);
    const notify = isStill(notifyFd) ? [notifyFd] : [];
    return {
      env: {
        ...variables,
        [PRELOAD_ENV.listen]: JSON.stringify(left),
        [PRELOAD_ENV.firstFd]: String(first),
        LISTEN_FDS: String(passed.length),
        LISTEN_FDNAMES: passed.map(([name]) => name).join(":"),
        ...(notify.length === 0
          ? {}
          : { [PRELOAD_ENV.notifyFd]: String(first + descriptors.length) }),
      },
      descriptors: [...descriptors, ...notify],
    };
  };
}

/** The descriptors of a target by their names. */
function descriptorsOf({ name, fd, follows, members }: Target): [string, number][] {
  if (follows === true) return [...members];
  return fd === undefined ? [] : [[name, fd]];
}
