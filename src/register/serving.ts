import { existsSync } from "node:fs";
import type { Server } from "node:net";

import { attempt } from "./attempt.ts";
import { acceptPath, controlSocketPath } from "../base/preload.ts";
import { openClaims } from "./claims.ts";

import { type Asking, openAsking } from "./asking.ts";
import { openControl } from "./control.ts";
import { drain, sayFarewell } from "./drain.ts";
import { openFigures } from "./figures.ts";
import { inheritListen, type Inheritance, type Listen } from "./listen.ts";
import { openNotifier } from "./notify.ts";
import { makeOutputWhole } from "./output.ts";
import { giveConnection, speaksHttp1, speaksHttp2 } from "./protocols.ts";
import { report } from "./report.ts";
import { acceptReadyMessage } from "./send-ready.ts";
import { hideDescriptors, type Settings, type Target } from "./settings.ts";
import type { prepareStopSignal } from "./stop-signal.ts";
import { watchTraffic, type Traffic } from "./traffic.ts";
import { drainWorkers } from "./workers.ts";

/** The state that the preload has prepared before the first listen(). */
export interface Prepared {
  readonly settings: Settings;
  /** The targets that this process has; its children inherit the others. */
  readonly taken: Set<Target>;
  readonly takeSignal: ReturnType<typeof prepareStopSignal>;
  /** The listen() of the app without newel. */
  readonly listen: Listen;
}

/**
 * Sets up the parts for a listening process: inherited sockets, readiness, the control socket, the drain. A
 * process whose program may or may not listen loads this module at its first listen().
 *
 * @returns the replacement of `Server.prototype.listen`
 */
export function startServing({ settings, taken, takeSignal, listen }: Prepared): Listen {
  const { role, targets, control } = settings;
  const claims = openClaims(settings.mark);
  const traffic = watchTraffic();
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
    // After the control socket exists, because the supervisor makes this file before it looks for a socket.
    if (settings.hold && existsSync(acceptPath(control))) inheritance.accept();
  };
  const inheritance: Inheritance = inheritListen({
    original: listen,
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
  if (role !== "candidate") serve();
  return inheritance.listen;
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

/** Apps written for pm2 often handle only SIGINT, the signal with which pm2 stops them. */
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
    figures: openFigures(traffic),
    probe: (socket, ready) => {
      const server = probedServer(traffic, inheritance.taken);
      if (server === undefined) return "no HTTP server listens yet";
      return giveConnection(server, socket, ready);
    },
  };
}

/** The server on an inherited socket, otherwise any HTTP server. */
function probedServer(traffic: Traffic, taken: ReadonlyMap<Server, unknown>): Server | undefined {
  const [inherited] = taken.keys();
  if (inherited !== undefined) return inherited;
  return [...traffic.servers].find((server) => speaksHttp1(server) || speaksHttp2(server));
}
