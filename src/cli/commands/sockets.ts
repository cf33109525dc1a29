import { readFileSync, readlinkSync } from "node:fs";

import { systemCode } from "../../base/errors.ts";
import { matches } from "../../base/names.ts";
import { newelError } from "../../base/errors.ts";
import type { SocketInfo } from "../../kernel/api.ts";
import type { Command } from "../command.ts";
import { EXIT } from "../exit-codes.ts";
import { type Column, formatTable } from "../output/table.ts";
import { findKernel } from "../reach.ts";

/** A socket with the connections that wait in it. */
interface Row extends SocketInfo {
  /** Connections that no process has accepted yet; missing where the system does not show them. */
  readonly waiting?: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "SOCKET", cell: ({ name }) => name },
  { title: "ADDRESS", cell: addressOf },
  {
    title: "QUEUE",
    align: "right",
    cell: ({ waiting, backlog }) => `${waiting ?? "?"}/${backlog}`,
  },
  { title: "STATE", cell: stateOf },
];

export const sockets: Command = {
  name: "sockets",
  summary: "List the listening sockets with their waiting connections",
  usage: "[NAME…]",
  words: { max: Infinity },
  options: {},
  examples: [
    { line: "newel sockets", does: "every socket of this home" },
    { line: "newel sockets 'shop/*' --json", does: "the sockets of one app, for programs" },
  ],
  notes: [
    "QUEUE is the number of connections that no process has accepted yet, and the backlog, for TCP on Linux. STATE is `bound`, `unbound` (its app has not listened yet) or `refusing` (every replica has failed).",
  ],
  async run({ words }, context) {
    const { output } = context;
    const kernel = await findKernel(context);
    if (kernel === undefined) {
      if (output.json) output.printDocument([]);
      output.say("No kernel runs, so no socket is held.");
      return EXIT.notRunning;
    }
    try {
      const { pid } = await kernel.status();
      const all = await kernel.sockets.list();
      const named = ({ name }: SocketInfo): boolean =>
        words.length === 0 || words.some((word) => matches(word, name));
      const missing = words.find((word) => !all.some(({ name }) => matches(word, name)));
      if (missing !== undefined)
        throw newelError("NEWEL_E_NOT_FOUND", { noun: "socket", name: missing });
      const queues = acceptQueues();
      const rows = all.filter(named).map((info): Row => {
        const waiting = queues.get(inodeOf(pid, info.fileno) ?? "");
        return waiting === undefined ? info : { ...info, waiting };
      });
      if (output.json) output.printDocument(rows);
      else if (rows.length === 0) output.say("The kernel holds no socket.");
      else for (const line of formatTable(COLUMNS, rows, output.columns)) output.print(line);
      return EXIT.done;
    } finally {
      await kernel.close();
    }
  },
};

function addressOf({ path, host, port }: SocketInfo): string {
  if (path !== undefined) return path;
  const shown = host?.includes(":") === true ? `[${host}]` : (host ?? "");
  return `${shown}:${port ?? 0}`;
}

function stateOf({ later, host, refusing }: SocketInfo): string {
  if (refusing === true) return "refusing";
  return later === true && host === undefined ? "unbound" : "bound";
}

/** The inode of a descriptor of the kernel; `undefined` when the system does not show it. */
function inodeOf(pid: number, fd: number | undefined): string | undefined {
  if (fd === undefined) return undefined;
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

/** Of each listening TCP socket, by inode, the number of connections that wait: rx_queue in proc(5). */
function acceptQueues(): ReadonlyMap<string, number> {
  const LISTEN = "0A";
  return new Map(
    ["/proc/net/tcp", "/proc/net/tcp6"].flatMap(linesOf).flatMap((line) => {
      const [, , , state, queues = "", , , , , inode = ""] = line.trim().split(/\s+/);
      const waiting = Number.parseInt(queues.split(":")[1] ?? "", 16);
      return state === LISTEN ? [[inode, waiting] as const] : [];
    }),
  );
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "latin1").split("\n").slice(1);
  } catch (error) {
    // No such file without Linux, or without IPv6.
    if (systemCode(error) !== "ENOENT") throw error;
    return [];
  }
}
