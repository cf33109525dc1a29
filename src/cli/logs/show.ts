import { hasCode } from "../../base/errors.ts";
import type { StreamName } from "../../kernel/process-api.ts";
import type { KernelClient } from "../../kernel/client-api.ts";
import { type Source, toSource } from "../select.ts";
import type { LogLine } from "./line.ts";
import { mergeByTime } from "./merge.ts";
import { countLines, lastLines, ProcessReader } from "./reader.ts";

export interface LogRequest {
  /** Chooses the processes: present ones, and with `follow` also later ones. */
  readonly wants: (source: Source) => boolean;
  readonly streams: readonly StreamName[];
  /** Of the processes found, those to read. Default: all. */
  readonly among?: (sources: readonly Source[]) => readonly Source[];
  /** Chooses lines; gaps are always printed. Default: all. */
  readonly keeps?: ((line: LogLine) => boolean) | undefined;
  /** How many of the last kept lines, of all processes together; `Infinity` for all. */
  readonly lines: number;
  readonly follow: boolean;
  /** Ends the reading at once. */
  readonly signal: AbortSignal;
  /** No further process will start: the reading ends with the last present one. */
  readonly finish?: AbortSignal;
  /** Takes a line; the next one waits for its promise. */
  readonly print: (line: LogLine) => void | Promise<void>;
  /** Called when every kept line was printed. */
  readonly caughtUp?: () => void;
  /** Called with the sources before any line is printed; may throw. */
  readonly found?: (sources: readonly Source[]) => void;
}

/**
 * Prints the output of processes: the kept lines, merged by time, and with `follow` new lines, also
 * of processes that start later. Each line once, in the order of its process.
 */
export async function showLogs(kernel: KernelClient, request: LogRequest): Promise<void> {
  // Before the list is read: a process made in between is then in both, and never in neither.
  const { lastEvent } = await kernel.status();
  // The archive last: a process that leaves the list in between is then in both.
  const listed = (await kernel.processes.list()).map(toSource).filter(request.wants);
  const isListed = new Set(listed.map(({ info }) => info.name));
  const archived = (await kernel.processes.archived())
    .filter(({ name }) => !isListed.has(name))
    .map(toSource)
    .filter(request.wants);
  request.found?.([...archived, ...listed]);
  const chosen = new Set(request.among?.([...archived, ...listed]) ?? [...archived, ...listed]);
  const toReader = (source: Source): ProcessReader =>
    new ProcessReader(source, kernel, request.streams, request.keeps);
  const readers = listed.filter((source) => chosen.has(source)).map(toReader);
  const ended = archived.filter((source) => chosen.has(source)).map(toReader);
  const lanes = [...lanesOf(ended), ...readers.map((reader) => [reader])];
  for await (const line of keptLines(lanes, request)) await request.print(line);
  request.caughtUp?.();
  if (request.follow) await new Follower(kernel, request, readers).run(lastEvent);
}

/** Archived processes by name: processes of one name ran one after the other. */
function lanesOf(readers: readonly ProcessReader[]): ProcessReader[][] {
  const lanes = new Map<string, ProcessReader[]>();
  for (const reader of readers) {
    const { run, name } = reader.source;
    const key = `${run?.app ?? ""}/${name}`;
    const lane = lanes.get(key) ?? [];
    lane.push(reader);
    lanes.set(key, lane);
  }
  return [...lanes.values()];
}

/**
 * Kept output, oldest first. Without `follow` a last line that lacks its newline is a line too.
 *
 * @param lanes - processes that followed each other, oldest first: only one of them is read at a time
 */
async function* keptLines(
  lanes: readonly (readonly ProcessReader[])[],
  { lines, follow }: LogRequest,
): AsyncGenerator<LogLine, void> {
  if (lines === 0) {
    for (const lane of lanes) for (const reader of lane) reader.skipKept();
    return;
  }
  if (lines === Infinity) {
    yield* mergeByTime(lanes.map((lane) => allOf(lane, follow)));
    return;
  }
  const tails: LogLine[][] = [];
  for (const lane of lanes) tails.push(await tailOf(lane, lines, follow));
  const merged: LogLine[] = [];
  for await (const line of mergeByTime(tails)) merged.push(line);
  yield* lastLines(merged, lines);
}

async function* allOf(
  lane: readonly ProcessReader[],
  follow: boolean,
): AsyncGenerator<LogLine, void> {
  for (const reader of lane) {
    yield* reader.kept();
    if (!follow || reader.isOver) yield* reader.rest();
  }
}

/** The last lines of processes of one name, read from the newest process backwards. */
async function tailOf(
  lane: readonly ProcessReader[],
  count: number,
  follow: boolean,
): Promise<LogLine[]> {
  let lines: LogLine[] = [];
  for (const reader of lane.toReversed()) {
    const own = await reader.last(count);
    if (!follow || reader.isOver) own.push(...reader.rest());
    lines = lastLines([...own, ...lines], count);
    if (countLines(lines) >= count) break;
  }
  return lines;
}

/** Follows the processes of a list and those that are made later. */
class Follower {
  readonly #kernel: KernelClient;
  readonly #request: LogRequest;
  readonly #readers: readonly ProcessReader[];
  /** Every run is followed once: its name and pid. */
  readonly #followed = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #failure: { readonly error: unknown } | undefined;

  constructor(kernel: KernelClient, request: LogRequest, readers: readonly ProcessReader[]) {
    this.#kernel = kernel;
    this.#request = request;
    this.#readers = readers;
    this.#signal = AbortSignal.any([request.signal, this.#stop.signal]);
  }

  /** @param since - the number of the last event before the readers were made */
  async run(since: number): Promise<void> {
    for (const reader of this.#readers) this.#follow(reader);
    const { finish } = this.#request;
    const signal = finish === undefined ? this.#signal : AbortSignal.any([this.#signal, finish]);
    for await (const event of this.#kernel.events({ since, signal })) {
      if (event.type === "made" && event.noun === "process") await this.#add(event.name);
    }
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #add(name: string): Promise<void> {
    const infos = await this.#kernel.processes.list(name);
    for (const source of infos.map(toSource).filter(this.#request.wants))
      this.#follow(
        new ProcessReader(source, this.#kernel, this.#request.streams, this.#request.keeps),
      );
  }

  #follow(reader: ProcessReader): void {
    const { name, pid } = reader.source.info;
    const key = `${name} ${pid}`;
    if (this.#followed.has(key)) return;
    this.#followed.add(key);
    const running = this.#print(reader)
      .catch((error: unknown) => {
        // The process was removed since then: no output is left.
        if (hasCode(error, "NEWEL_E_NOT_FOUND")) return;
        this.#failure ??= { error };
        this.#stop.abort();
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #print(reader: ProcessReader): Promise<void> {
    for await (const line of reader.follow(this.#signal)) await this.#request.print(line);
  }
}
