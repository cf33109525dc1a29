import type { ClaimInfo, KernelEvent, KernelStatus, SocketInfo } from "../api.ts";
import type { ProcessInfo } from "../process-api.ts";

/** One line of text about each object of the kernel, as papa writes it. */

export function socketLine(socket: SocketInfo): string {
  const {
    name,
    family,
    type,
    backlog,
    path,
    umask,
    uid,
    gid,
    host,
    port,
    reuseport,
    fileno,
    refusing,
  } = socket;
  return oneLine(
    `${name} ${pairs({
      family,
      type,
      backlog,
      path,
      umask,
      uid,
      gid,
      host,
      port,
      interface: socket.interface,
      reuseport: reuseport === true ? "True" : undefined,
      later: socket.later === true ? "True" : undefined,
      ipv6_only: socket.ipv6Only === true ? "True" : undefined,
      fileno,
      refusing: refusing === true ? "True" : undefined,
    })}`,
  );
}

export function processLine(process: ProcessInfo): string {
  const { name, pid, running, startedMs, uid, gid, shell, args } = process;
  return oneLine(
    `${name} ${pairs({
      pid,
      running: running ? "True" : "False",
      started: seconds(startedMs),
      uid,
      gid,
      shell: shell === true ? "True" : undefined,
      args: args.join(" "),
    })}`,
  );
}

export function claimLine(claim: ClaimInfo): string {
  const { name, epoch, holder, waiting } = claim;
  return `${name} ${pairs({ epoch, pid: holder.pid, since: seconds(holder.sinceMs), waiting })}`;
}

export function eventLine(event: KernelEvent): string {
  const { seq, timeMs, type, noun, name, pid, exitCode, status, listen } = event;
  const ended = exitCode === undefined ? undefined : (exitCode ?? "unknown");
  return oneLine(
    `${seq} ${seconds(timeMs)} ${type} ${noun} ${name} ${pairs({ pid, exit: ended, status, listen })}`,
  ).trimEnd();
}

export function statusLines(status: KernelStatus): readonly string[] {
  const { counts } = status;
  return [
    `version=${status.version} pid=${status.pid} uptime=${seconds(status.uptimeMs)} home=${status.home}`,
    `sockets=${counts.sockets} values=${counts.values} processes=${counts.processes} claims=${counts.claims}`,
    `memory=${status.memoryBytes} last_event=${status.lastEvent}`,
    `recovery=${status.recovery.level} after=${status.recovery.after}${returns(status.recovery.sockets)}`,
    ...status.notices.map((notice) => oneLine(`notice: ${notice}`)),
  ];
}

function returns(sockets: KernelStatus["recovery"]["sockets"]): string {
  return Object.entries(sockets)
    .map(([name, how]) => oneLine(` ${name}=${how}`))
    .join("");
}

/** Seconds since the epoch with three decimals. */
export function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}

/** A reply ends at a line that begins with the prompt, so a shown value must not contain line ends. */
export function oneLine(text: string): string {
  return text.replace(/\r\n|\r|\n/g, " ");
}

function pairs(values: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}
