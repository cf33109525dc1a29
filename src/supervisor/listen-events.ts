import { messageOf } from "../base/errors.ts";
import type { Home } from "../base/home.ts";
import { parseReport } from "../base/listening.ts";
import type { KernelEvent } from "../kernel/api.ts";
import type { App } from "./app.ts";
import type { Apps } from "./apps.ts";
import { followsApp } from "./config/sockets.ts";
import { answerListen, controlPath } from "./control.ts";
import { Listening, type ListeningParts } from "./listening.ts";
import { programSocketName, socketName } from "./process-names.ts";
import type { FoundProcess } from "./found-process.ts";
import type { Service } from "./service.ts";

interface ListenEventsParts extends ListeningParts {
  readonly home: Home;
}

/** Takes the questions of processes where they may listen to {@link Listening}, and the answers back. */
export class ListenEvents extends Listening {
  readonly #home: Home;
  readonly #log: (text: string) => void;

  constructor(parts: ListenEventsParts) {
    super(parts);
    this.#home = parts.home;
    this.#log = parts.log;
  }

  /** Processes of an earlier supervisor may have been given any of their sockets. */
  async adoptAll(apps: Apps, runs: readonly FoundProcess[]): Promise<void> {
    await this.refresh();
    for (const { run, info } of runs) {
      const { app, service } = apps.find(run);
      if (!info.running || app === undefined || service === undefined) continue;
      const { listen } = service.spec;
      this.adopt(
        info.name,
        listen.map((socket) => socketName(app.name, socket)),
      );
    }
  }

  /** A process of a service has written about a listen(). */
  hear({ name, listen = "" }: KernelEvent, app: App, service: Service): void {
    const report = parseReport(listen);
    if (report?.kind !== "ask") return;
    const { spec } = service.replicas.find(({ kernelName }) => kernelName === name) ?? service;
    const socket = spec.listen.find(
      (each) => programSocketName(socketName(app.name, each)) === report.target,
    );
    if (socket === undefined || !followsApp(socket)) return;
    this.answer(name, socketName(app.name, socket), report)
      .then((answer) => answerListen(controlPath(this.#home, name), answer))
      .catch((error: unknown) => this.#log(`${name} asks for ${listen}: ${messageOf(error)}`));
  }
}
