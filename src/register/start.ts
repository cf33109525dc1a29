import { existsSync } from "node:fs";
import type { Server } from "node:net";

import { messageOf } from "../base/errors.ts";
import { acceptPath, controlSocketPath, PRELOAD_ENV } from "../base/preload.ts";
import { identityOf, passToChildren, type Inheritance as ChildInheritance } from "./children.ts";
import { openClaims } from "./claims.ts";

import { type Asking, openAsking } from "./asking.ts";
import { openControl } from "./control.ts";
import { drain, sayFarewell } from "./drain.ts";
import { inheritListen, type Inheritance } from "./listen.ts";
import { openNotifier } from "./notify.ts";
import { makeOutputWhole } from "./output.ts";
import { announcePresence } from "./presence.ts";
import { giveConnection, speaksHttp1, speaksHttp2 } from "./protocols.ts";
import { report } from "./report.ts";
import { acceptReadyMessage } from "./send-ready.ts";
import { hideDescriptors, type Settings, STOP_VARIABLES, type Target } from "./settings.ts";
import { prepareStopSignal } from "./stop-signal.ts";
import { watchTraffic, type Traffic } from "./traffic.ts";
import { drainWorkers } from "./workers.ts";

/** Sets up everything the supervisor asked for; what fails is reported and left out. */
export function start(settings: Settings): void {
  attempt("the app runs as without the preload", () => setUp(settings));
}

function attempt(otherwise: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    report(`${messageOf(error)}; ${otherwise}`);
  }
}

function setUp(settings: Settings): void {
  const { role, targets, control } = settings;
  const claims = openClaims(settings.mark);
  const takeSignal = prepareStopSignal(settings.stopSignal);
  const traffic = watchTraffic();
  const taken = new Set<Target>();
  let notifier: ReturnType<typeof openNotifier> | undefined;
  const say = (): ReturnType<typeof openNotifier> => (notifier ??= openNotifier(settings.notifyFd));
  const asking = openAsking((text) => say().listen(text));
  let isServing = false;
  const serve = (): void => {
    if (isServing) return;
    isServing = true;
    attempt("the output is as Node makes it", makeOutputWhole);
    hideDescriptors(process.env, settings);
    acceptReadyMessage(() => say().ready());
    takeSignal(stopActions(settings, traffic, inheritance, () => say().stopping()));
    if (control === undefined) return;
    openControl(controlSocketPath(control, process.pid), controlsOf(traffic, inheritance, asking));
    // After the control socket is there: the supervisor leaves this file before it looks for one.
    if (settings.hold && existsSync(acceptPath(control))) inheritance.accept();
  };
  const inheritance: Inheritance = inheritListen({
    targets,
    hold: settings.hold,
    onServer: (server) => traffic.watch(server),
    onTarget: (target) => {
      if (!claims.claim(target)) return false;
      taken.add(target);
      serve();
      return true;
    },
    isElsewhere: (target) => claims.isElsewhere(target),
    onReady: () => {
      if (!settings.appSaysReady) say().ready();
    },
    ask: (target, hosts, members) => asking.ask(target, hosts, members),
    tell: (text) => say().listen(text),
  });
  passToChildren(shareOf(settings, taken));
  if (role !== "candidate") serve();
  else if (control !== undefined) announcePresence(control);
}

function stopActions(
  settings: Settings,
  traffic: Traffic,
  inheritance: Inheritance,
  onStopping: () => void,
): Parameters<ReturnType<typeof prepareStopSignal>>[0] {
  const { stopSignal, graceMs, lingerMs } = settings;
  return {
    drain: (appHandles) => {
      onStopping();
      hintAtInterrupt(stopSignal, appHandles());
      return drain(traffic, {
        graceMs,
        lingerMs,
        handles: inheritance.taken.values(),
        appHandles,
        others: () => (appHandles() ? Promise.resolve() : drainWorkers(stopSignal, graceMs / 2)),
      });
    },
    farewell: () => sayFarewell(traffic),
  };
}

/** Apps written for pm2 often handle SIGINT alone, the signal that pm2 stops with. */
function hintAtInterrupt(stopSignal: NodeJS.Signals, appHandles: boolean): void {
  if (appHandles || stopSignal === "SIGINT" || process.listenerCount("SIGINT") === 0) return;
  report(
    `the app has a handler for SIGINT and none for ${stopSignal}, the stop signal: write ` +
      'stop: { signal: "SIGINT" } in the configuration, so that the handler runs',
  );
}

function controlsOf(
  traffic: Traffic,
  inheritance: Inheritance,
  asking: Asking,
): Parameters<typeof openControl>[1] {
  return {
    accept: () => inheritance.accept(),
    listen: (answer) => asking.answer(answer),
    probe: (socket, ready) => {
      const server = probedServer(traffic, inheritance.taken);
      if (server === undefined) return "no HTTP server listens yet";
      return giveConnection(server, socket, ready);
    },
  };
}

/**
 * Makes the share of a child: the variables and descriptors of the targets that this process has not
 * taken. A worker of node:cluster listens through its primary, and has only to know how to stop.
 */
function shareOf(
  settings: Settings,
  taken: ReadonlySet<Target>,
): (isClusterWorker: boolean, first: number) => ChildInheritance | undefined {
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

/** The server on an inherited socket, else any that speaks HTTP. */
function probedServer(traffic: Traffic, taken: ReadonlyMap<Server, unknown>): Server | undefined {
  const [inherited] = taken.keys();
  if (inherited !== undefined) return inherited;
  return [...traffic.servers].find((server) => speaksHttp1(server) || speaksHttp2(server));
}
