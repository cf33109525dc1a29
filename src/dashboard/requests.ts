import type { IncomingMessage } from "node:http";

import { newelError } from "../base/errors.ts";
import { type ActRequest, type LogsWanted, VERBS, type Watched } from "./messages.ts";

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
  const verb = VERBS.find((each) => each === body["verb"]);
  if (verb === undefined) throw refuse("its verb is none of the page");
  const app = readText(body["app"], "app");
  const service = readText(body["service"], "service");
  if (verb !== "scale") return { verb, app, service };
  const { replicas } = body;
  const isCount =
    typeof replicas === "number" &&
    Number.isInteger(replicas) &&
    replicas >= 0 &&
    replicas <= MOST_REPLICAS;
  if (!isCount) throw refuse(`its number of replicas is not one from 0 to ${MOST_REPLICAS}`);
  return { verb, app, service, replicas };
}

export function readWatched(body: Readonly<Record<string, unknown>>): Watched {
  const stream = readText(body["stream"], "stream");
  const { service, logs } = body;
  return {
    stream,
    ...(service === undefined ? {} : { service: readText(service, "service") }),
    ...(logs === undefined ? {} : { logs: readLogs(logs) }),
  };
}

function readLogs(value: unknown): LogsWanted {
  if (typeof value !== "object" || value === null) throw refuse("its logs are no object");
  const { request, services, text } = value as Readonly<Record<string, unknown>>;
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
