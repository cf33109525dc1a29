import type { IncomingMessage } from "node:http";

import { newelError } from "../base/errors.ts";
import {
  type ActRequest,
  type LogsWanted,
  QUEUE_VERBS,
  RUN_FILTERS,
  RUN_VERBS,
  SERVICE_VERBS,
  type ViewRequest,
  VIEWS,
  type Watched,
} from "./messages.ts";

/** No request of the page is larger. */
const BODY_BYTES = 16_384;
const MOST_NAMES = 200;
const MOST_TEXT = 500;
/** `newel scale` has the same limit. */
const MOST_REPLICAS = 10_000;

/**
 * The body of a POST.
 *
 * @throws NEWEL_E_DASH_REQUEST unless it is a JSON object of a few kilobytes
 */
export async function readBody(
  request: IncomingMessage,
): Promise<Readonly<Record<string, unknown>>> {
  if (request.headers["content-type"]?.split(";")[0]?.trim() !== "application/json")
    throw refuse("its content type is not application/json");
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > BODY_BYTES) throw refuse(`it has more than ${BODY_BYTES} bytes`);
    pieces.push(piece);
  }
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refuse("it is no JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw refuse("it is no JSON object");
  return value as Readonly<Record<string, unknown>>;
}

export function readLink(body: Readonly<Record<string, unknown>>): string {
  return readText(body["link"], "link");
}

export function readAct(body: Readonly<Record<string, unknown>>): ActRequest {
  const { verb } = body;
  const ofService = SERVICE_VERBS.find((each) => each === verb);
  if (ofService !== undefined) return readServiceAct(ofService, body);
  const ofRun = RUN_VERBS.find((each) => each === verb);
  if (ofRun !== undefined) return { verb: ofRun, run: readName(body["run"], "run") };
  const ofQueue = QUEUE_VERBS.find((each) => each === verb);
  if (ofQueue !== undefined) return { verb: ofQueue, queue: readName(body["queue"], "queue") };
  if (verb === "retry all") return { verb, filter: readFilter(body["filter"]) };
  if (verb === "release") return { verb, id: readName(body["id"], "id") };
  if (verb !== "rollback") throw refuse("its verb is none of the page");
  const release = readCount(body["release"], "release", Number.MAX_SAFE_INTEGER);
  return { verb, app: readName(body["app"], "app"), release };
}

function readServiceAct(
  verb: (typeof SERVICE_VERBS)[number],
  body: Readonly<Record<string, unknown>>,
): ActRequest {
  const app = readName(body["app"], "app");
  const service = readName(body["service"], "service");
  if (verb !== "scale") return { verb, app, service };
  return { verb, app, service, replicas: readCount(body["replicas"], "replicas", MOST_REPLICAS) };
}

function readCount(value: unknown, name: string, most: number): number {
  const isCount = typeof value === "number" && Number.isInteger(value) && value >= 0;
  if (isCount && value <= most) return value;
  throw refuse(`its ${name} is no number from 0 to ${most}`);
}

/** A name that is a word of a command line: not an option. */
function readName(value: unknown, name: string): string {
  const text = readText(value, name);
  if (!text.startsWith("-")) return text;
  throw refuse(`its ${name} begins with a dash`);
}

export function readWatched(body: Readonly<Record<string, unknown>>): Watched {
  const stream = readText(body["stream"], "stream");
  const { service, logs, view } = body;
  return {
    stream,
    ...(service === undefined ? {} : { service: readText(service, "service") }),
    ...(logs === undefined ? {} : { logs: readLogs(logs) }),
    ...(view === undefined ? {} : { view: readView(view) }),
  };
}

function readView(value: unknown): ViewRequest {
  const { name: given, app, run, filter } = readObject(value, "view");
  const name = VIEWS.find((each) => each === given);
  if (name === undefined) throw refuse("its view is none of the page");
  return {
    name,
    ...(name === "deploys" ? { app: readName(app, "app") } : {}),
    ...(name === "run" ? { run: readName(run, "run") } : {}),
    ...(name === "runs" ? { filter: readFilter(filter) } : {}),
  };
}

function readFilter(value: unknown): NonNullable<ViewRequest["filter"]> {
  const given = readObject(value, "filter");
  const filter: Partial<Record<(typeof RUN_FILTERS)[number], string>> = {};
  for (const name of RUN_FILTERS) {
    const text = given[name];
    if (text !== undefined && text !== "") filter[name] = readText(text, name);
  }
  return filter;
}

function readObject(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null)
    return value as Readonly<Record<string, unknown>>;
  throw refuse(`its ${name} is no object`);
}

function readLogs(value: unknown): LogsWanted {
  const { request, services, text } = readObject(value, "logs");
  if (typeof request !== "number" || !Number.isSafeInteger(request))
    throw refuse("the request of its logs is no number");
  if (!Array.isArray(services) || services.length > MOST_NAMES)
    throw refuse("its services are no list of names");
  const names = services.map((each: unknown) => readText(each, "service"));
  return { request, services: names, text: text === "" ? "" : readText(text, "text") };
}

function readText(value: unknown, name: string): string {
  if (typeof value === "string" && value !== "" && value.length <= MOST_TEXT) return value;
  throw refuse(`its ${name} is no text of 1 to ${MOST_TEXT} characters`);
}

function refuse(why: string): Error {
  return newelError("NEWEL_E_DASH_REQUEST", { why });
}
