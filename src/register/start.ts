import type { Server } from "node:net";

import { messageOf } from "../base/errors.ts";

import { openControl } from "./control.ts";
import { drain, sayFarewell } from "./drain.ts";
import { inheritListen } from "./listen.ts";
import { openNotifier } from "./notify.ts";
import { makeOutputWhole } from "./output.ts";
import { giveConnection, speaksHttp1, speaksHttp2 } from "./protocols.ts";
import { report } from "./report.ts";
import type { Settings } from "./settings.ts";
import { takeStopSignal } from "./stop-signal.ts";
import { watchTraffic, type Traffic } from "./traffic.ts";
import { drainWorkers } from "./workers.ts";

/** Sets up everything the supervisor asked for; what fails is said and left out. */
export function start(settings: Settings): void {
  attempt("the output is as Node makes it", makeOutputWhole);
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
  const notifier = openNotifier(settings.notifyFd);
  const traffic = watchTraffic();
  if (settings.control !== undefined) {
    // Before listen() is replaced: this server is none of the app's.
    openControl(settings.control, {
      accept: () => inheritance.accept(),
      probe: (socket, ready) => {
        const server = probedServer(traffic, inheritance.taken);
        if (server === undefined) return "no HTTP server listens yet";
        return giveConnection(server, socket, ready);
      },
    });
  }
  const inheritance = inheritListen(
    settings.targets,
    settings.hold,
    (server) => traffic.watch(server),
    () => notifier.ready(),
  );
  takeStopSignal(
    settings.stopSignal,
    (appHandles) => {
      notifier.stopping();
      return drain(traffic, {
        graceMs: settings.graceMs,
        lingerMs: settings.lingerMs,
        handles: inheritance.taken.values(),
        appHandles,
        others: () => (appHandles() ? Promise.resolve() : drainWorkers(settings.stopSignal)),
      });
    },
    () => sayFarewell(traffic),
  );
}

/** The server on an inherited socket, else any that speaks HTTP. */
function probedServer(traffic: Traffic, taken: ReadonlyMap<Server, unknown>): Server | undefined {
  const [inherited] = taken.keys();
  if (inherited !== undefined) return inherited;
  return [...traffic.servers].find((server) => speaksHttp1(server) || speaksHttp2(server));
}
