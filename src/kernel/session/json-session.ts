import { newelError } from "../../base/errors.ts";
import type { Kernel } from "../api.ts";
import type { OutputChunk, ProcessInfo } from "../process-api.ts";
import type { Answer } from "../commands/command.ts";
import { EnvelopeError, parseEnvelope, parseRequest, type RequestId } from "../commands/json.ts";
import { refuse } from "../commands/kinds.ts";
import { COMMANDS } from "../commands/table.ts";
import { shareSockets } from "../fd-store.ts";
import { ConnectionClaims } from "./claims.ts";
import { toCoded } from "./coded.ts";
import type { Connection } from "./connection.ts";
import { EventStream } from "./modes.ts";
import type { ServerContext } from "./server-context.ts";
import { Bell, Watched } from "./watched.ts";

const CHUNK_BYTES = 65_536;
/** How many streams one connection may have open. */
const STREAMS_LIMIT = 1_024;

interface OpenStream {
  close(): void;
}

/** JSON rendering: each request one line, each answer one line with its id. */
export class JsonSession {
  readonly #context: ServerContext;
  readonly #connection: Connection;
  readonly #streams = new Map<RequestId, OpenStream>();
  readonly #claims: ConnectionClaims;
  /** Changes that the disk does not have yet. */
  readonly #unanswered = new Set<Promise<void>>();
  /** The requests that wait for a claim, by its name. */
  readonly #waiting = new Map<string, RequestId>();

  constructor(context: ServerContext, connection: Connection) {
    this.#context = context;
    this.#connection = connection;
    this.#claims = new ConnectionClaims(context.kernel);
  }

  /** Resolves when the changes that were asked for are answered. */
  async answered(): Promise<void> {
    await Promise.all(this.#unanswered);
  }

  line(text: string): void {
    let id: RequestId | null = null;
    try {
      const envelope = parseEnvelope(text);
      id = envelope.id;
      const { command, input } = parseRequest(COMMANDS, envelope);
      this.#answer(envelope.id, command.execute(input, this.#context));
    } catch (error) {
      if (error instanceof EnvelopeError) this.refuse(error.id, error.cause);
      else this.refuse(id, error);
    }
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
    this.#claims.close();
  }

  refuse(id: RequestId | null, error: unknown): void {
    const coded = toCoded(error, this.#context.fault);
    this.#send({ id, error: coded.toJSON() });
  }

  #answer(id: RequestId, answer: Answer): void {
    switch (answer.kind) {
      case "reply":
        if (answer.synced === true) this.#sendOnceSynced(id, answer.json);
        else this.#send({ id, ok: answer.json });
        return;
      case "watch":
        this.#watch(id, answer);
        return;
      case "events":
        this.#events(id, answer.since);
        return;
      case "hold":
        this.#hold(id, answer.path);
        return;
      case "unwatch":
        this.#streams.get(answer.id)?.close();
        this.#streams.delete(answer.id);
        this.#send({ id, ok: null });
        return;
      case "claim":
        this.#claim(id, answer);
        return;
      case "release":
        this.#release(id, answer.name);
        return;
      case "upgrade":
        this.#context.upgrade(answer).then(
          (rehearsal) => this.#send({ id, ok: rehearsal }),
          (error: unknown) => this.refuse(id, error),
        );
        return;
      case "quit":
        this.#send({ id, ok: null });
        this.#connection.end();
        return;
      case "exit":
        this.#send({ id, ok: { exiting: true } });
        this.#context.exitWhenUnused();
        this.#connection.end();
        return;
    }
  }

  #sendOnceSynced(id: RequestId, json: unknown): void {
    const answered = this.#context.kernel.values
      .synced()
      .then(
        () => this.#send({ id, ok: json }),
        (error: unknown) => this.refuse(id, error),
      )
      .finally(() => this.#unanswered.delete(answered));
    this.#unanswered.add(answered);
  }

  #watch(id: RequestId, request: Extract<Answer, { kind: "watch" }>): void {
    const { names, follow, reader, from, first } = request;
    this.#checkNewStream(id);
    const { kernel } = this.#context;
    const streams = names
      .map((name) => findWatched(kernel, name))
      .filter((process) => process !== undefined)
      .map((process) => {
        const bell = new Bell();
        if (reader !== undefined) kernel.readers.register(process, reader);
        const known = reader === undefined ? {} : kernel.readers.position(process, reader);
        const position = from ?? known;
        return { bell, watched: new Watched(kernel, process, position, bell.ring) };
      });
    let open = true;
    const close = (): void => {
      open = false;
      for (const { watched, bell } of streams) {
        watched.close();
        bell.ring();
      }
    };
    this.#streams.set(id, { close });
    this.#send({ id, ok: first.json });
    const following = streams.map(({ watched, bell }) =>
      this.#follow(id, watched, bell, follow, () => open),
    );
    Promise.all(following)
      .then(() => {
        if (!open) return;
        this.#streams.delete(id);
        this.#send({ id, done: true });
      })
      .catch((error: unknown) => {
        if (open) this.#failStream(id, error);
      });
  }

  /**
   * Sends the output of one process until its end, or, when not following, until all present output is sent.
   */
  async #follow(
    id: RequestId,
    watched: Watched,
    bell: Bell,
    follow: boolean,
    open: () => boolean,
  ): Promise<void> {
    while (open()) {
      const { over } = watched;
      let more = false;
      await this.#connection.turn(async () => {
        const chunk = open() ? await watched.next(CHUNK_BYTES) : undefined;
        more = chunk !== undefined;
        if (chunk !== undefined && open()) this.#sendOutput(id, watched.name, chunk);
      });
      if (more) continue;
      if (over || !follow) {
        watched.close();
        const { name } = watched;
        if (over && open()) this.#send({ id, ended: { name, exitCode: watched.end.exitCode } });
        return;
      }
      await bell.wait();
    }
  }

  #sendOutput(id: RequestId, name: string, chunk: OutputChunk): void {
    const { stream, offset, gap, reason, timeMs, data } = chunk;
    const why = reason === undefined ? {} : { reason };
    const output = { name, stream, offset, gap, ...why, timeMs, bytes: data.length };
    this.#connection.writeAll(`${JSON.stringify({ id, output })}\n`, data, "\n");
  }

  #events(id: RequestId, since: number): void {
    this.#checkNewStream(id);
    const { kernel } = this.#context;
    const stream = new EventStream(kernel, this.#connection, since, (event) =>
      this.#send({ id, event }),
    );
    this.#streams.set(id, stream);
    this.#send({ id, ok: { since, last: kernel.events.last } });
    stream.run().catch((error: unknown) => this.#failStream(id, error));
  }

  #hold(id: RequestId, path: string): void {
    this.#checkNewStream(id);
    const failed = (error: unknown): void => {
      if (this.#streams.has(id)) this.#failStream(id, error);
    };
    const sharing = shareSockets(this.#context.kernel, path, failed);
    this.#streams.set(id, { close: sharing.stop });
    void sharing.sent.then(() => {
      if (this.#streams.has(id)) this.#send({ id, ok: null });
    });
  }

  #claim(
    id: RequestId,
    { name, pid, had }: { readonly name: string; readonly pid?: number; readonly had?: number },
  ): void {
    const held = this.#claims.epochOf(name);
    if (held !== undefined) {
      this.#send({ id, ok: { name, epoch: held } });
      return;
    }
    if (this.#claims.waitsFor(name))
      throw refuse(`this connection waits for the claim ${name} already`);
    const holder = {
      // The pid from the operating system is right even where the client sees other pids.
      pid: this.#connection.peerPid ?? pid ?? process.pid,
      ...(had === undefined ? {} : { had }),
    };
    let granted = false;
    const onGranted = (epoch: number): void => {
      granted = true;
      this.#waiting.delete(name);
      this.#send({ id, ok: { name, epoch } });
    };
    this.#claims.ask(name, holder, onGranted, () => this.#send({ id, taken: name }));
    if (!granted) this.#waiting.set(name, id);
  }

  #release(id: RequestId, name: string): void {
    if (!this.#claims.release(name))
      throw newelError("NEWEL_E_NOT_FOUND", { name, noun: "claims" });
    const waiting = this.#waiting.get(name);
    this.#waiting.delete(name);
    if (waiting !== undefined)
      this.refuse(waiting, newelError("NEWEL_E_CANCELLED", { what: `The wait for ${name}` }));
    this.#send({ id, ok: null });
  }

  #checkNewStream(id: RequestId): void {
    if (this.#streams.has(id)) throw refuse(`the id ${JSON.stringify(id)} has a stream already`);
    if (this.#streams.size >= STREAMS_LIMIT)
      throw newelError("NEWEL_E_LIMIT", {
        what: "the streams of a connection",
        limit: STREAMS_LIMIT,
        unit: "at once",
      });
  }

  #failStream(id: RequestId, error: unknown): void {
    this.#streams.get(id)?.close();
    this.#streams.delete(id);
    this.refuse(id, error);
  }

  #send(message: unknown): void {
    this.#connection.write(`${JSON.stringify(message)}\n`);
  }
}

function findWatched(kernel: Kernel, name: string): ProcessInfo | undefined {
  const all = [...kernel.processes.list([name]), ...kernel.processes.departed([name])];
  return (
    all.find((process) => process.name === name) ??
    kernel.processes.archived([name]).findLast((process) => process.name === name)
  );
}
