import type { IncomingMessage, ServerResponse } from "node:http";

import type { Scope } from "../api.ts";
import { isEnded } from "../events/run-events.ts";
import { newelError } from "../../base/errors.ts";
import { readBy } from "../scope.ts";
import { EventStream, type Followed } from "./stream.ts";
import { everyone, JSON_HEADERS, look, type Looks, refusal, type Viewer } from "./viewer.ts";

/** A web `Request`, or a request of Node.js and of frameworks on it. */
export interface RequestLike {
  /** The headers: those of `fetch`, or those of Node.js. */
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The URL or the path with its query, where `after` may stand. */
  readonly url?: string | undefined;
  /** Aborts when the client has gone. */
  readonly signal?: AbortSignal;
}

/** The viewer of the events, and the end of the stream. */
export interface SseViewer {
  /** The owner of the runs that may be seen; `undefined`, as from an expired session, sees none. */
  readonly by: Viewer | undefined;
  /**
   * Checks whether the viewer may still see runs, for example by the session. It is called before the stream begins,
   * with each heartbeat (every 5 s), and before an event when the last answer is older than a second; `false`
   * ends the stream, and the browser shows that it is signed out.
   */
  readonly authorize?: () => boolean | Promise<boolean>;
}

/** Options of the event stream of a run. */
export interface SseOptions extends SseViewer {
  /** Ends the stream when the browser has disconnected. Default: the request's signal. */
  readonly signal?: AbortSignal;
  /** The id of the last event that the browser has. Default: taken from the request. */
  readonly lastEventId?: string;
  /** The request. Its `Last-Event-ID`, or `?after=…`, is the position at which a broken stream continues. */
  readonly request?: RequestLike;
}

/** Like {@link SseOptions}, for the runs that the URL of the request names. */
export interface SseRunsOptions extends SseViewer {
  /** Ends the stream when the browser has disconnected. Default: the request's signal. */
  readonly signal?: AbortSignal;
  /**
   * The request. Its URL names the runs: `?run=ID`, repeated, or `run=ID,AFTER` with the last event that the browser
   * has.
   */
  readonly request: RequestLike;
}

/** The largest number of runs in one stream. */
const MOST_RUNS = 100;

const SSE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream",
  // no-transform, because a compressing proxy would buffer events.
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

/**
 * Answers with the events of a run as an event stream for a browser: its state, its changes, and an end after its last
 * event. 403 when it belongs to another owner, 404 when there is none, 204 when the browser has all events
 * (an EventSource then does not reconnect).
 *
 * The stream ends when the server of this process drains (`newel/register` or a bus), so that a deploy
 * does not wait for open pages: the browser reconnects with the id of its last event.
 */
export function sse(looks: Looks, id: string, options: SseOptions): Promise<Response> {
  const signal = options.signal ?? options.request?.signal;
  return respond(() => openStream(looks, id, options, signal));
}

/**
 * Answers with one event stream for several runs, named by the URL of the request, at most 100. A run that this viewer
 * may not see, or that does not exist, is an event `status` with `{ run, status }` and does not end the
 * others. 204 when no run is named, 400 for more than 100, 403 without a viewer.
 */
export function sseRuns(looks: Looks, options: SseRunsOptions): Promise<Response> {
  const signal = options.signal ?? options.request.signal;
  return respond(() => openStreamOfMany(looks, options, signal));
}

/**
 * Like {@link sse}, for a request of `node:http` and of frameworks on it. The id of the last event is read from
 * the request. Resolves when the response has ended.
 */
export function pipeSse(
  looks: Looks,
  id: string,
  request: IncomingMessage,
  response: ServerResponse,
  viewer: SseViewer,
): Promise<void> {
  return pipeTo(request, response, (signal) =>
    openStream(looks, id, { ...viewer, request }, signal),
  );
}

/** Like {@link sseRuns}, for a request of `node:http` and of frameworks on it. */
export function pipeSseRuns(
  looks: Looks,
  request: IncomingMessage,
  response: ServerResponse,
  viewer: SseViewer,
): Promise<void> {
  return pipeTo(request, response, (signal) =>
    openStreamOfMany(looks, { ...viewer, request }, signal),
  );
}

async function respond(open: () => Promise<EventStream | undefined>): Promise<Response> {
  let stream: EventStream | undefined;
  try {
    stream = await open();
  } catch (error) {
    const { status, body } = refusal(error);
    return new Response(body, { status, headers: JSON_HEADERS });
  }
  if (stream === undefined) return new Response(null, { status: 204 });
  return new Response(bodyOf(stream), { headers: SSE_HEADERS });
}

async function pipeTo(
  request: IncomingMessage,
  response: ServerResponse,
  open: (signal: AbortSignal) => Promise<EventStream | undefined>,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  let stream: EventStream | undefined;
  try {
    stream = await open(gone.signal);
  } catch (error) {
    const { status, body } = refusal(error);
    response.writeHead(status, JSON_HEADERS).end(body);
    return;
  }
  if (stream === undefined) {
    response.writeHead(204).end();
    return;
  }
  try {
    await pipe(stream, request, response);
  } finally {
    stream.stop();
  }
}

/** `undefined` when the browser has all events. */
async function openStream(
  looks: Looks,
  id: string,
  options: SseOptions,
  signal: AbortSignal | undefined,
): Promise<EventStream | undefined> {
  const { by, authorize } = options;
  const run = await look(looks, id, by);
  if (authorize !== undefined && !(await authorize()))
    throw newelError("NEWEL_E_JOB_FORBIDDEN", { id });
  const isPoll = queryOf(options.request).has("poll");
  const after = lastEventId(options);
  const stream = new EventStream(looks, [{ run: id, after }], { by, authorize, signal, isPoll });
  if (isPoll || after === undefined || !isEnded(run.state) || !(await stream.isEmpty()))
    return stream;
  stream.stop();
  return undefined;
}

/** `undefined` when the URL names no run. */
async function openStreamOfMany(
  looks: Looks,
  { by, authorize, request }: SseRunsOptions,
  signal: AbortSignal | undefined,
): Promise<EventStream | undefined> {
  const query = queryOf(request);
  const followed = query.getAll("run").map(toFollowed);
  if (by !== everyone) readBy({ by } as Scope);
  const [first] = followed;
  if (first === undefined) return undefined;
  if (followed.length > MOST_RUNS)
    throw newelError("NEWEL_E_LIMIT", {
      what: "the number of runs of one stream",
      limit: MOST_RUNS,
      unit: "runs",
    });
  if (authorize !== undefined && !(await authorize()))
    throw newelError("NEWEL_E_JOB_FORBIDDEN", { id: first.run });
  const isPoll = query.has("poll");
  return new EventStream(looks, followed, { by, authorize, signal, isPoll, isOfMany: true });
}

/** `ID` or `ID,AFTER`; the id of an event has no comma. */
function toFollowed(text: string): Followed {
  const at = text.lastIndexOf(",");
  return at === -1
    ? { run: text }
    : { run: text.slice(0, at), after: text.slice(at + 1) || undefined };
}

function lastEventId({ lastEventId, request }: SseOptions): string | undefined {
  if (lastEventId !== undefined) return lastEventId;
  if (request === undefined) return undefined;
  const { headers } = request;
  const header =
    headers instanceof Headers ? headers.get("last-event-id") : headers["last-event-id"];
  if (typeof header === "string" && header !== "") return header;
  return queryOf(request).get("after") ?? undefined;
}

function queryOf(request: RequestLike | undefined): URLSearchParams {
  const { url = "" } = request ?? {};
  return new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : "");
}

function bodyOf(stream: EventStream): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const text = await stream.read();
        if (text === undefined) controller.close();
        else controller.enqueue(encoder.encode(text));
      },
      cancel: () => stream.stop(),
    },
    { highWaterMark: 0 },
  );
}

async function pipe(
  stream: EventStream,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.writeHead(200, SSE_HEADERS);
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  response.flushHeaders();
  for (;;) {
    const text = await stream.read();
    if (text === undefined || response.destroyed) break;
    if (!response.write(text)) await drained(response);
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.once("drain", done);
    response.once("close", done);
  });
}
