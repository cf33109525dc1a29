import { connect, constants, type ClientHttp2Session } from "node:http2";

/** The result of an HTTP/2 load. */
export interface Http2Report {
  readonly requests: number;
  readonly failed: readonly string[];
  /** Streams refused before anything was done for them, and sent again on another session. */
  readonly refused: number;
  readonly sessions: number;
}

/**
 * Starts an HTTP/2 load: two sessions, concurrent streams, every tenth a slow one, every response
 * checked. A stream that Node's client has accepted but not sent when the GOAWAY arrives is refused
 * by the client itself; following RFC 9113 §8.7 that stream is sent again, once.
 */
export function startHttp2Load(
  port: number,
  ratePerSecond: number,
): { stop(): Promise<Http2Report> } {
  const sessions: (ClientHttp2Session | undefined)[] = [undefined, undefined];
  const failed: string[] = [];
  const underWay = new Set<Promise<void>>();
  let requests = 0;
  let refused = 0;
  let opened = 0;

  const sessionFor = (number: number): ClientHttp2Session => {
    const slot = number % sessions.length;
    const current = sessions[slot];
    if (current !== undefined && !current.closed && !current.destroyed) return current;
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    session.on("error", (error) => failed.push(`session: ${error.message}`));
    opened += 1;
    sessions[slot] = session;
    return session;
  };
  const send = async (number: number): Promise<void> => {
    try {
      if ((await request(sessionFor(number), number)) === "answered") return;
      refused += 1;
      if ((await request(sessionFor(number), number)) === "refused")
        failed.push(`${number}: refused twice`);
    } catch (error) {
      failed.push(`${number}: ${String(error)}`);
    }
  };

  const timer = setInterval(() => {
    requests += 1;
    const work = send(requests);
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  }, 1_000 / ratePerSecond);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(underWay);
      for (const session of sessions) session?.close();
      return { requests, failed, refused, sessions: opened };
    },
  };
}

async function request(
  session: ClientHttp2Session,
  number: number,
): Promise<"answered" | "refused"> {
  const path = number % 10 === 0 ? `/slow/${number}` : `/echo/${number}`;
  const stream = session.request({ ":path": path });
  stream.setEncoding("utf8").setTimeout(10_000, () => stream.destroy(new Error("timeout")));
  let body = "";
  try {
    for await (const chunk of stream) body += String(chunk);
  } catch (error) {
    if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM && body === "") return "refused";
    throw error;
  }
  if (body !== String(number)) throw new Error(`${path}: wrong answer ${JSON.stringify(body)}`);
  return "answered";
}
