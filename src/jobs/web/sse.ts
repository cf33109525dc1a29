import type { IncomingMessage, ServerResponse } from "node:http";

import { isEnded } from "../events/run-events.ts";
import { EventStream } from "./stream.ts";
import { JSON_HEADERS, look, type Looks, refusal, type Viewer } from "./viewer.ts";

/** A request as the web has it, or as Node.js and frameworks on it do. */
export interface RequestLike {
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly url?: string | undefined;
  readonly signal?: AbortSignal;
}

export interface SseOptions {
  /** Whose runs may be seen; `undefined`, as of a session that is over, sees none. */
  readonly by: Viewer | undefined;
  /** Ends the stream when the browser is gone. Default: the request's. */
  readonly signal?: AbortSignal;
  /** The id of the last event that the browser has. Default: what the request says. */
  readonly lastEventId?: string;
  /** Its `Last-Event-ID`, or `?after=…`, says where a stream that broke goes on. */
  readonly request?: RequestLike;
}

const SSE_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream",
  // no-transform: whoever compresses would hold events back.
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

/**
 * The events of a run as an event stream for a browser: its state, what changes, and an end after its last
 * event. 403 when it is somebody else's, 404 when there is none, 204 when the browser has all events
 * (an EventSource then does not come back).
 *
 * The stream ends when the server of this process drains (`newel/register` or a bus), so that a deploy
 * does not wait for open pages: the browser comes back with the id of its last event.
 */
export async function sse(looks: Looks, id: string, options: SseOptions): Promise<Response> {
  let stream: EventStream | undefined;
  try {
    const signal = options.signal ?? options.request?.signal;
    stream = await openStream(looks, id, options.by, lastEventId(options), signal);
  } catch (error) {
    const { status, body } = refusal(error);
    return new Response(body, { status, headers: JSON_HEADERS });
  }
  if (stream === undefined) return new Response(null, { status: 204 });
  return new Response(bodyOf(stream), { headers: SSE_HEADERS });
}

/**
 * As {@link sse}, for a request of `node:http` and what stands on it. What the request says of the last
 * event is read. Resolves when the answer has ended.
 */
export async function pipeSse(
  looks: Looks,
  id: string,
  request: IncomingMessage,
  response: ServerResponse,
  { by }: { readonly by: Viewer | undefined },
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  let stream: EventStream | undefined;
  try {
    stream = await openStream(looks, id, by, lastEventId({ by, request }), gone.signal);
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

/** `undefined` when the browser has all there is. */
async function openStream(
  looks: Looks,
  id: string,
  by: unknown,
  after: string | undefined,
  signal: AbortSignal | undefined,
): Promise<EventStream | undefined> {
  const run = await look(looks, id, by);
  const stream = new EventStream(looks, id, after, signal);
  if (after === undefined || !isEnded(run.state) || !(await stream.isEmpty())) return stream;
  stream.stop();
  return undefined;
}

function lastEventId({ lastEventId, request }: SseOptions): string | undefined {
  if (lastEventId !== undefined) return lastEventId;
  if (request === undefined) return undefined;
  const { headers, url = "" } = request;
  const header =
    headers instanceof Headers ? headers.get("last-event-id") : headers["last-event-id"];
  if (typeof header === "string" && header !== "") return header;
  const query = url.includes("?") ? url.slice(url.indexOf("?")) : "";
  return new URLSearchParams(query).get("after") ?? undefined;
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
