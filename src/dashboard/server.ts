import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

import type { ErrorCode } from "../base/error-codes.ts";
import { isNewelError, messageOf, newelError, systemCode } from "../base/errors.ts";
import { describeAddress, type ListenAddress, listenPrivate } from "../posix/listen-private.ts";
import { Access } from "./access.ts";
import { Acts } from "./acts.ts";
import { Board } from "./board.ts";
import { type PageFile, readPageFiles } from "./files.ts";
import { LogFeed } from "./log-feed.ts";
import { type About, commandOf } from "./messages.ts";
import { PageStream } from "./page-stream.ts";
import { readAct, readBody, readLink, readWatched } from "./requests.ts";
import type { Source } from "./source.ts";

/** Tabs and their requests; a program that opens more does not get the descriptors of the dashboard. */
const CONNECTIONS = 128;
const STREAMS = 32;
const REQUEST_MS = 10_000;

/** Nothing but the files of the page runs or loads, and no other page may show it in a frame. */
const PROTECTION: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

const STATUS: Partial<Record<ErrorCode, number>> = {
  NEWEL_E_DASH_HOST: 403,
  NEWEL_E_DASH_ORIGIN: 403,
  NEWEL_E_DASH_LINK: 403,
  NEWEL_E_DASH_READ_ONLY: 403,
  NEWEL_E_DASH_SIGNED_OUT: 401,
  NEWEL_E_DASH_REQUEST: 400,
  NEWEL_E_NO_SERVICE: 404,
  NEWEL_E_LIMIT: 429,
};

export interface DashboardOptions {
  readonly address: ListenAddress;
  readonly source: Source;
  /** Refuse every action. */
  readonly readOnly: boolean;
  readonly version: string;
  /** The directory of the home, for the page. */
  readonly home: string;
}

/** A dashboard that is served. */
export interface Dashboard {
  /** With the port that the system chose. */
  readonly address: ListenAddress;
  /** A new one-time link. */
  makeLink(): string;
  close(): void;
}

/** The tab of a stream, and the session that it belongs to. */
interface Tab {
  readonly stream: PageStream;
  readonly session: string;
  logs?: LogFeed | undefined;
}

/**
 * Serves the dashboard.
 *
 * @throws NEWEL_E_DASH_ADDRESS when the address cannot be bound
 * @throws NEWEL_E_DASH_FILES when the page is not built
 */
export async function openDashboard(options: DashboardOptions): Promise<Dashboard> {
  const files = readPageFiles();
  const site = new Site(options, files);
  const server = createServer((request, response) => void site.answer(request, response));
  server.maxConnections = CONNECTIONS;
  server.headersTimeout = REQUEST_MS;
  server.requestTimeout = REQUEST_MS;
  try {
    await listenPrivate(server, options.address);
  } catch (error) {
    const why = systemCode(error) === "EADDRINUSE" ? "the address is in use" : messageOf(error);
    const address = describeAddress(options.address);
    throw newelError("NEWEL_E_DASH_ADDRESS", { address, why }, error);
  }
  const bound = server.address();
  const address =
    "path" in options.address || bound === null || typeof bound === "string"
      ? options.address
      : { host: options.address.host, port: bound.port };
  return {
    address,
    makeLink: () => site.access.makeLink(),
    close: () => {
      site.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Answers requests. */
class Site {
  readonly access = new Access();
  readonly #options: DashboardOptions;
  readonly #files: ReadonlyMap<string, PageFile>;
  readonly #board: Board;
  readonly #acts: Acts;
  readonly #about: About;
  readonly #tabs = new Map<string, Tab>();

  constructor(options: DashboardOptions, files: ReadonlyMap<string, PageFile>) {
    const { source, version, home, readOnly } = options;
    this.#options = options;
    this.#files = files;
    this.#board = new Board(source);
    this.#acts = new Acts(source, (acts) => this.#board.showActs(acts));
    this.#about = { version, home, readOnly, startedMs: Date.now() };
  }

  close(): void {
    for (const { stream } of this.#tabs.values()) stream.end();
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(PROTECTION)) response.setHeader(name, value);
    try {
      this.access.checkHost(request);
      const path = (request.url ?? "").replace(/\?.*$/s, "");
      if (!path.startsWith("/api/")) this.#sendFile(path, request, response);
      else await this.#answerApi(path, request, response);
    } catch (error) {
      refuse(response, error);
    }
  }

  #sendFile(path: string, { method }: IncomingMessage, response: ServerResponse): void {
    const file = this.#files.get(path);
    if (method !== "GET" && method !== "HEAD") return notAllowed(response, "GET, HEAD");
    if (file === undefined) return void response.writeHead(404).end();
    const { type, content } = file;
    response.writeHead(200, { "content-type": type, "content-length": content.length });
    response.end(method === "HEAD" ? undefined : content);
  }

  async #answerApi(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    this.access.checkOrigin(request);
    if (path !== "/api/stream" && request.method !== "POST") return notAllowed(response, "POST");
    if (path === "/api/enter") return this.#enter(request, response);
    const session = this.access.checkSession(request);
    switch (path) {
      case "/api/stream":
        return this.#openStream(session, response);
      case "/api/watch":
        return this.#watch(session, request, response);
      case "/api/act":
        return this.#act(request, response);
      case "/api/leave":
        return this.#leave(session, response);
      default:
        response.writeHead(404).end();
    }
  }

  async #enter(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { cookie, token } = this.access.enter(readLink(await readBody(request)));
    response.setHeader("set-cookie", cookie);
    sendJson(response, 200, { token });
  }

  #leave(session: string, response: ServerResponse): void {
    this.access.leave(session);
    for (const tab of this.#tabs.values()) if (tab.session === session) tab.stream.end();
    sendJson(response, 200, {});
  }

  #openStream(session: string, response: ServerResponse): void {
    if (this.#tabs.size >= STREAMS)
      throw newelError("NEWEL_E_LIMIT", {
        what: "the number of tabs",
        limit: STREAMS,
        unit: "tabs",
      });
    const id = randomBytes(12).toString("base64url");
    const stream = new PageStream(id, response);
    const tab: Tab = { stream, session };
    this.#tabs.set(id, tab);
    response.once("close", () => {
      this.#tabs.delete(id);
      this.#board.detach(stream);
      tab.logs?.stop();
    });
    stream.send("hello", { stream: id, about: this.#about });
    this.#board.attach(stream);
  }

  async #watch(session: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { stream, logs, ...shown } = readWatched(await readBody(request));
    const tab = this.#tabs.get(stream);
    if (tab === undefined || tab.session !== session)
      throw newelError("NEWEL_E_DASH_REQUEST", { why: "its stream has ended" });
    this.#board.show(tab.stream, shown);
    tab.logs?.stop();
    tab.logs = logs === undefined ? undefined : new LogFeed(tab.stream, logs, this.#options.source);
    sendJson(response, 200, {});
  }

  async #act(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#options.readOnly) throw newelError("NEWEL_E_DASH_READ_ONLY", {});
    const wanted = readAct(await readBody(request));
    if ("service" in wanted) await this.#checkService(wanted);
    sendJson(response, 202, { id: this.#acts.begin(commandOf(wanted)).id });
  }

  /** A name that is no service, such as a pattern, never reaches the command line. */
  async #checkService({ app, service }: { readonly app: string; readonly service: string }) {
    const services = (await this.#options.source.services()) ?? [];
    if (!services.some((each) => each.app === app && each.name === service))
      throw newelError("NEWEL_E_NO_SERVICE", { name: service, hint: ` in the app ${app}` });
  }
}

function notAllowed(response: ServerResponse, methods: string): void {
  response.writeHead(405, { allow: methods }).end();
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" });
  response.end(JSON.stringify(value));
}

function refuse(response: ServerResponse, thrown: unknown): void {
  const error = isNewelError(thrown)
    ? thrown
    : newelError("NEWEL_E_INTERNAL", { what: messageOf(thrown) }, thrown);
  if (response.headersSent) return void response.destroy();
  // The rest of a body that is refused is not read.
  response.setHeader("connection", "close");
  const { code, message, fix } = error;
  sendJson(response, STATUS[code] ?? 500, { code, message, fix });
}
