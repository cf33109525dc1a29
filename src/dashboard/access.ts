import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

import { newelError } from "../base/errors.ts";

/** How long a link may wait for its use. */
const LINK_MS = 10 * 60_000;
/** A session without requests ends after this time. */
const IDLE_MS = 12 * 60 * 60_000;
/** A browser needs one session; the oldest one ends when there are more. */
const SESSIONS = 20;
const LINKS = 5;
const SECRET_BYTES = 32;

/** A page of another site can reach loopback by a name that it controls (DNS rebinding); these names are never its own. */
const HOSTS = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/** The header with the second secret of a session. */
const TOKEN_HEADER = "x-newel-token";

/** The two secrets of a session. */
export interface Opened {
  /** The whole value of `set-cookie`. */
  readonly cookie: string;
  readonly token: string;
}

interface Session {
  readonly tokenHash: Buffer;
  usedMs: number;
}

/**
 * Decides who may use the dashboard. A one-time link opens a session. A session has two secrets: a cookie, which no
 * script can read, and a token, which the page sends in a header. A browser sends the cookie to every port of the
 * host, so a server on another port sees it: without the token, which stays with the origin, it opens nothing.
 */
export class Access {
  /** Two dashboards on one host have different cookies. */
  readonly #cookieName = `newel-dash-${randomBytes(4).toString("hex")}`;
  /** The hash of each open link, and the time at which it expires. */
  readonly #links = new Map<string, number>();
  /** By the hash of the cookie. */
  readonly #sessions = new Map<string, Session>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** A secret that opens one session, once, within ten minutes. */
  makeLink(): string {
    const link = secret();
    this.#links.set(hash(link).toString("hex"), this.#nowMs() + LINK_MS);
    for (const oldest of this.#links.keys()) {
      if (this.#links.size <= LINKS) break;
      this.#links.delete(oldest);
    }
    return link;
  }

  /** @throws NEWEL_E_DASH_LINK for a link that was used, has expired or never was one */
  enter(link: string): Opened {
    const key = hash(link).toString("hex");
    const untilMs = this.#links.get(key);
    this.#links.delete(key);
    if (untilMs === undefined || untilMs < this.#nowMs()) throw newelError("NEWEL_E_DASH_LINK", {});
    const [cookie, token] = [secret(), secret()];
    this.#sessions.set(hash(cookie).toString("hex"), {
      tokenHash: hash(token),
      usedMs: this.#nowMs(),
    });
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= SESSIONS) break;
      this.#sessions.delete(oldest);
    }
    return { cookie: `${this.#cookieName}=${cookie}; Path=/; HttpOnly; SameSite=Strict`, token };
  }

  /** @throws NEWEL_E_DASH_HOST for a Host header that is no name of loopback */
  checkHost({ headers }: IncomingMessage): void {
    if (!HOSTS.test(headers.host ?? "")) throw newelError("NEWEL_E_DASH_HOST", {});
  }

  /**
   * Checks that a request comes from a page of this server, or from no page.
   *
   * @throws NEWEL_E_DASH_ORIGIN for a request of another origin, and for a POST without one
   */
  checkOrigin({ method, headers }: IncomingMessage): void {
    const { host = "", origin } = headers;
    const site = headers["sec-fetch-site"];
    const isForeign =
      origin !== undefined && origin.toLowerCase() !== `http://${host}`.toLowerCase();
    const isOther = site !== undefined && site !== "same-origin" && site !== "none";
    const isBlind = method === "POST" && origin === undefined;
    if (isForeign || isOther || isBlind) throw newelError("NEWEL_E_DASH_ORIGIN", {});
  }

  /**
   * Checks both secrets of a request.
   *
   * @returns the key of its session
   * @throws NEWEL_E_DASH_SIGNED_OUT
   */
  checkSession(request: IncomingMessage): string {
    const cookie = this.#cookieOf(request);
    const token = request.headers[TOKEN_HEADER];
    const key = cookie === undefined ? "" : hash(cookie).toString("hex");
    const session = this.#sessions.get(key);
    const isValid =
      session !== undefined &&
      typeof token === "string" &&
      timingSafeEqual(session.tokenHash, hash(token)) &&
      this.#nowMs() - session.usedMs < IDLE_MS;
    if (!isValid) throw newelError("NEWEL_E_DASH_SIGNED_OUT", {});
    session.usedMs = this.#nowMs();
    return key;
  }

  leave(key: string): void {
    this.#sessions.delete(key);
  }

  #cookieOf({ headers }: IncomingMessage): string | undefined {
    const prefix = `${this.#cookieName}=`;
    return headers.cookie
      ?.split(";")
      .map((each) => each.trim())
      .find((each) => each.startsWith(prefix))
      ?.slice(prefix.length);
  }
}

function secret(): string {
  return randomBytes(SECRET_BYTES).toString("base64url");
}

/** Hashes are compared instead of secrets, so the time of a comparison tells nothing about them. */
function hash(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
