import { shownFile } from "../../supervisor/config/problems.ts";
import type { Output } from "../output/output.ts";
import { ago } from "../output/services.ts";
import type { Diagnosis, Setting } from "./types.ts";

/** A diagnosis as `newel why` prints it. */
export function formatDiagnosis(
  diagnosis: Diagnosis,
  { output, cwd, nowMs }: { readonly output: Output; readonly cwd: string; readonly nowMs: number },
): string[] {
  const { app, service, state, ready, replicas, sinceMs, ok, what, facts, lines } = diagnosis;
  const since =
    sinceMs === undefined
      ? ""
      : `, for ${ago(sinceMs, nowMs)} (since ${new Date(sinceMs).toISOString()})`;
  const title = output.style("bold", `${app}/${service}`);
  const status = output.style(ok ? "green" : "red", state);
  const label = (text: string): string => output.style("dim", text.padEnd(WIDTH));
  const block = (name: string, texts: readonly string[]): string[] =>
    texts.map((text, index) => `  ${label(index === 0 ? name : "")}  ${text}`);
  return [
    `${title}  ${status}, ${ready} of ${replicas} ready${since}`,
    ...block("what", [what]),
    ...block("why", facts),
    ...block(
      "configured",
      diagnosis.settings.map((setting) => settingLine(setting, cwd)),
    ),
    ...block("output", outputLines(diagnosis.process, lines)),
    ...block("advice", diagnosis.advice === undefined ? [] : [diagnosis.advice]),
    ...block("fix", diagnosis.fix === undefined ? [] : [diagnosis.fix]),
  ];
}

const WIDTH = "configured".length;

function settingLine({ path, value, isDefault, file, line }: Setting, cwd: string): string {
  const place = line === undefined ? shownFile(file, cwd) : `${shownFile(file, cwd)}:${line}`;
  return `${place}  ${path}: ${value}${isDefault ? " (default)" : ""}`;
}

function outputLines(process: string | undefined, lines: readonly string[]): string[] {
  if (process === undefined || lines.length === 0) return [];
  return [`the last lines of ${process}:`, ...lines.map((line) => `| ${line}`)];
}
