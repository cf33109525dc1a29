import { counted } from "../base/counted.ts";
import type { ProcessView, ServiceDetail, ServiceView } from "./api.ts";
import type { App } from "./app.ts";
import { processEnvironment } from "./config/environment.ts";
import type { ResolvedCommand, ResolvedService, ResolvedSocket } from "./config/resolved.ts";
import { followsApp } from "./config/sockets.ts";
import type { Listening } from "./listening.ts";
import { toWallMs } from "./process-age.ts";
import type { Schedules } from "./schedules.ts";
import type { Service } from "./service.ts";
import { parseRunName, shownName, socketName } from "./process-names.ts";
import type { Trees } from "./usage.ts";

/** The sources of a view in addition to the service. */
export interface ViewParts {
  readonly listening: Listening;
  readonly schedules: Pick<Schedules, "view">;
}

/** The view of a service for lists. */
export function viewService(
  app: App,
  service: Service,
  trees: Trees,
  { listening, schedules }: ViewParts,
): ServiceView {
  const scheduled = schedules.view(service);
  return {
    app: app.name,
    name: service.name,
    wanted: service.wanted.up ? "up" : "down",
    state: service.state,
    ready: service.readyCount,
    replicas: service.wanted.replicas,
    sinceMs: service.sinceMs,
    restarts: service.restarts,
    ...(service.lastRestartMs === undefined ? {} : { lastRestartMs: service.lastRestartMs }),
    listen: service.spec.listen.flatMap((socket) => {
      const bound = followsApp(socket) ? listening.addresses(socketName(app.name, socket)) : [];
      return bound.length > 0 ? bound : [shownAddress(socket)];
    }),
    processes: viewProcesses(service, trees),
    ...(scheduled === undefined ? {} : { scheduled }),
    ...(service.spec.tags === undefined ? {} : { tags: service.spec.tags }),
    ...(service.why === undefined ? {} : { why: service.why }),
  };
}

/** A service in detail. */
export async function viewDetail(
  app: App,
  service: Service,
  trees: Trees,
  parts: ViewParts,
): Promise<ServiceDetail> {
  const { spec } = service;
  return {
    ...viewService(app, service, trees, parts),
    file: app.config.file,
    command: spec.shownCommand ?? describeCommand(spec.command),
    cwd: spec.cwd,
    envKeys: Object.keys(processEnvironment(spec)).sort(),
    restartPolicy: `${spec.restart.policy}, at most ${counted(spec.restart.max, "time")} within ${spec.restart.withinMs} ms`,
    readiness: describeReadiness(spec.ready),
    stop: `${spec.stop.signal}, SIGKILL after ${spec.stop.graceMs} ms`,
    dependsOn: spec.dependsOn,
    lastExits: service.lastExits,
    lastLines: await service.lastLines(),
  };
}

function viewProcesses(service: Service, trees: Trees): ProcessView[] {
  const living = service.replicas.map((replica): ProcessView => {
    return {
      name: replica.name,
      kernelName: replica.kernelName,
      state: replica.state,
      ready: replica.ready,
      startedMs: replica.startedMs,
      ...(replica.pid === undefined ? {} : { pid: replica.pid }),
      ...viewTree(replica.kernelName, trees),
    };
  });
  const left = service.endedRuns.flatMap((kernelName): ProcessView[] => {
    const run = parseRunName(kernelName);
    if (run === undefined || !trees.byName.has(kernelName)) return [];
    const common = { name: shownName(run), kernelName, ready: false };
    return [{ ...common, state: "left", ...viewTree(kernelName, trees) }];
  });
  const missing = service.missing.map(([number, absence]): ProcessView => {
    const name = `${service.name}.${number}`;
    const common = { name, kernelName: "", ready: false };
    if (absence.kind === "backoff")
      return { ...common, state: "backoff", nextTryMs: toWallMs(absence.atMs) };
    const isShown = absence.kind === "failed" || absence.kind === "completed";
    return { ...common, state: isShown ? absence.kind : "stopped" };
  });
  return [...living, ...missing, ...left].sort((a, b) =>
    a.name.localeCompare(b.name, "en", { numeric: true }),
  );
}

function viewTree(name: string, { byName, usages }: Trees): Partial<ProcessView> {
  const tree = byName.get(name);
  return tree === undefined
    ? {}
    : { pids: tree.processes.map(({ pid }) => pid), ...usages.get(name) };
}

function describeCommand(command: ResolvedCommand): string {
  switch (command.kind) {
    case "node":
      return ["node", ...command.nodeArgs, command.file, ...command.args].join(" ");
    case "exec":
      return command.args.join(" ");
    case "shell":
      return command.line;
  }
}

function describeReadiness({ probe, afterMs, timeoutMs }: ResolvedService["ready"]): string {
  const within = `within ${timeoutMs} ms`;
  switch (probe.kind) {
    case "alive":
      return `alive for ${afterMs} ms`;
    case "listen":
      return `listens ${within}; without Node.js: alive for 1000 ms`;
    case "notify":
      return probe.app === true ? `reports READY=1 ${within}` : `listens ${within}`;
    case "pattern":
      return `prints a line that matches ${probe.pattern} ${within}`;
    case "command":
      return `its check ends with 0 ${within}`;
    case "log":
      return `prints ${JSON.stringify(probe.text)} ${within}`;
    case "tcp":
      return `${probe.host}:${probe.port} accepts ${within}`;
    case "http":
      return `GET ${probe.path} answers 2xx or 3xx ${within}`;
  }
}

/** `127.0.0.1:3000`, `:3000` where no app has listened yet, or a path. */
function shownAddress(socket: ResolvedSocket): string {
  if (socket.path !== undefined) return socket.path;
  const host = socket.host ?? "";
  return `${host.includes(":") ? `[${host}]` : host}:${socket.port ?? 0}`;
}
