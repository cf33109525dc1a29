import { counted } from "../../base/counted.ts";
import { type Output, plain } from "../output/output.ts";
import { cpu, memory, STATE_STYLES } from "../output/services.ts";
import { type Column, formatTable } from "../output/table.ts";
import { arrange, type Row, type SortKey } from "./rows.ts";
import { selectedIndex, type TopState } from "./state.ts";

const KEYS = "q quit  ↑↓ select  s sort  / filter  a replicas  r restart  x stop  ? help";

const HELP = [
  "q, Ctrl-C     quit; services run on",
  "↑ ↓ j k       select a row (also Page Up, Page Down, Home, End)",
  "s             sort by the next column: name, CPU, memory, loop delay, restarts, state",
  "/             filter by a part of a name or state; Enter keeps the filter, Esc removes it",
  "a             a row for each replica, or for each service",
  "r             restart the service of the selected row, after a question",
  "x             stop it, after a question",
  "Ctrl-Z        suspend",
  "",
  "Any key returns to the table.",
];

/** The columns that a sort is marked at. */
const SORTED: Readonly<Record<SortKey, string>> = {
  name: "NAME",
  cpu: "CPU",
  memory: "MEM",
  delay: "LOOP",
  restarts: "RESTARTS",
  state: "STATE",
};

/** Rows as a table without a terminal. */
export function formatRows(rows: readonly Row[], output: Output): string[] {
  return formatTable(columns(rows, output, undefined), rows, output.columns);
}

/** The moment that a frame shows. */
export interface Moment {
  readonly rows: readonly Row[];
  readonly state: TopState;
  /** The line above the keys: progress or an error. */
  readonly message: string | undefined;
  readonly clock: string;
}

/** The lines of a whole screen of that height. */
export function formatFrame(moment: Moment, output: Output, height: number): string[] {
  const { rows, state } = moment;
  if (state.mode === "help") return HELP.slice(0, height);
  const shown = arrange(rows, state.sort, state.filter);
  const selected = selectedIndex(state, shown);
  const [titles = "", ...lines] = formatTable(
    [marker(shown[selected]), ...columns(rows, output, state.sort)],
    shown,
    output.columns,
  );
  const room = Math.max(1, height - 4);
  const first = Math.max(0, Math.min(selected - Math.floor(room / 2), lines.length - room));
  const visible = lines.slice(first, first + room);
  const filler = Array.from({ length: room - visible.length }, () => "");
  return [
    output.style("bold", summary(moment)),
    output.style("bold", titles),
    ...(lines.length === 0 ? [emptyText(state), ...filler.slice(1)] : [...visible, ...filler]),
    plain(moment.message ?? ""),
    bottom(state, output),
  ].slice(0, Math.max(1, height));
}

function emptyText({ filter }: TopState): string {
  return filter === "" ? "  Nothing is up." : `  No name or state contains "${filter}".`;
}

function summary({ rows, clock }: Moment): string {
  const services = new Set(rows.map(({ app, service }) => `${app}/${service}`));
  const apps = [...new Set(rows.map(({ app }) => app))].join(" ");
  const ready = rows.reduce((sum, row) => sum + row.ready, 0);
  const wanted = rows.reduce((sum, row) => sum + row.replicas, 0);
  const usage = `CPU ${cpu(rows)}  MEM ${memory(rows)}`;
  return `${apps || "newel"}  ${counted(services.size, "service")}  ${ready}/${wanted} ready  ${usage}  ${clock}`;
}

function bottom(state: TopState, output: Output): string {
  if (state.mode === "filter") return `Filter: ${state.filter}_`;
  if (state.mode === "confirm" && state.question !== undefined) {
    const { verb, app, service } = state.question;
    const asks = `${verb === "stop" ? "Stop" : "Restart"} ${app}/${service}? y/N`;
    return output.style("yellow", asks);
  }
  const filter = state.filter === "" ? "" : `filter "${state.filter}" (Esc)  `;
  return output.style("dim", filter + KEYS);
}

function marker(selected: Row | undefined): Column<Row> {
  return { title: " ", cell: (row) => (row === selected ? ">" : " ") };
}

/** With several apps the name of a row contains its app. */
function columns(rows: readonly Row[], output: Output, sort: SortKey | undefined): Column<Row>[] {
  const several = new Set(rows.map(({ app }) => app)).size > 1;
  const title = (key: SortKey): string => (key === sort ? `${SORTED[key]}*` : SORTED[key]);
  return [
    {
      title: title("name"),
      cut: true,
      cell: ({ app, service, replica }) => `${several ? `${app}/` : ""}${replica ?? service}`,
    },
    { title: title("state"), cell: ({ state }) => output.style(STATE_STYLES[state], state) },
    { title: "READY", cell: ({ ready, replicas }) => `${ready}/${replicas}` },
    { title: title("cpu"), align: "right", drop: 1, cell: (row) => cpu([row]) },
    { title: title("memory"), align: "right", drop: 2, cell: (row) => memory([row]) },
    { title: title("delay"), align: "right", drop: 3, cell: delayText },
    { title: title("restarts"), align: "right", drop: 4, cell: ({ restarts }) => `${restarts}` },
  ];
}

function delayText({ loopDelayMs }: Row): string {
  if (loopDelayMs === undefined) return "-";
  return loopDelayMs < 10 ? `${loopDelayMs.toFixed(1)}ms` : `${Math.round(loopDelayMs)}ms`;
}
