import type { Source } from "../select.ts";
import type { Output } from "./output.ts";
import { ago } from "./services.ts";
import { type Column, formatTable } from "./table.ts";

/** The processes as the kernel knows them, while no supervisor runs. */
export function formatSources(sources: readonly Source[], output: Output, nowMs: number): string[] {
  const columns: Column<Source>[] = [
    { title: "PROCESS", cut: true, cell: ({ run, name }) => fullName(run?.app, name) },
    { title: "STATE", cell: ({ info }) => state(output, info) },
    { title: "READY", cell: ({ info }) => (info.ready ? "yes" : "-") },
    { title: "PID", align: "right", cell: ({ info }) => String(info.pid) },
    { title: "UP", cell: ({ info }) => (info.running ? ago(info.startedMs, nowMs) : "-") },
  ];
  const [titles = "", ...lines] = formatTable(columns, sources, output.columns);
  return [output.style("bold", titles), ...lines];
}

/** The same as JSON: in the shape of a supervised service, without the supervisor's fields. */
export function unsupervisedServices(sources: readonly Source[]): object[] {
  const keyOf = ({ run, name }: Source): string => fullName(run?.app, run?.service ?? name);
  const groups = Map.groupBy(sources, keyOf);
  return [...groups.values()].map((group) => {
    const living = group.filter(({ info }) => info.running);
    const [{ run, name } = { run: undefined, name: "" }] = group;
    return {
      supervised: false,
      ...(run === undefined ? {} : { app: run.app }),
      name: run?.service ?? name,
      state: living.length > 0 ? "running" : "stopped",
      ready: living.filter(({ info }) => info.ready).length,
      processes: group.map(processObject),
    };
  });
}

function processObject({ info, name }: Source): object {
  return {
    name,
    kernelName: info.name,
    pid: info.pid,
    state: info.running ? "running" : "stopped",
    ready: info.ready,
    startedMs: info.startedMs,
  };
}

function fullName(app: string | undefined, name: string): string {
  return app === undefined ? name : `${app}/${name}`;
}

function state(output: Output, info: Source["info"]): string {
  if (info.running) return output.style("green", "running");
  const code = info.exitCode ?? "unknown";
  return output.style("dim", `ended (${code})`);
}
