import { formatDuration } from "../../base/units.ts";
import type { OwnerView } from "../../singleton/owners.ts";
import { plain, type Output } from "./output.ts";
import { type Column, formatTable } from "./table.ts";

/**
 * Owners as a table, one line each.
 *
 * @param nowMs - milliseconds since the epoch
 */
export function formatOwners(
  owners: readonly OwnerView[],
  output: Output,
  nowMs: number,
): string[] {
  const [titles = "", ...lines] = formatTable(columns(output, nowMs), owners, output.columns);
  return [output.style("bold", titles), ...lines];
}

function columns(output: Output, nowMs: number): readonly Column<OwnerView>[] {
  return [
    { title: "SINGLETON", cut: true, cell: ({ id }) => plain(id) },
    { title: "PID", align: "right", cell: ({ pid }) => String(pid) },
    { title: "EPOCH", align: "right", cell: ({ epoch }) => String(epoch) },
    {
      title: "SINCE",
      align: "right",
      drop: 1,
      cell: ({ sinceMs }) => formatDuration(nowMs - sinceMs),
    },
    {
      title: "CALLS/S",
      align: "right",
      cell: ({ info }) =>
        info === undefined ? output.style("yellow", "?") : formatRate(info.callsPerSecond),
    },
    {
      title: "CALLS",
      align: "right",
      drop: 2,
      cell: ({ info }) => (info === undefined ? "" : String(info.calls)),
    },
    {
      title: "CLIENTS",
      align: "right",
      drop: 3,
      cell: ({ info }) => (info === undefined ? "" : String(info.connections)),
    },
    { title: "BY", drop: 4, cell: ({ engine }) => engine },
  ];
}

function formatRate(perSecond: number): string {
  return perSecond >= 10 || perSecond === 0 ? String(Math.round(perSecond)) : perSecond.toFixed(1);
}
