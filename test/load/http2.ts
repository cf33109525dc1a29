import { connect, type ClientHttp2Session } from "node:http2";

/** What an HTTP/2 load came to. */
export interface Http2Report {
  readonly requests: number;
  readonly failed: readonly string[];
  readonly sessions: number;
}

/**
 * Starts an HTTP/2 load: some sessions, streams beside each other, every tenth a slow one, every
 * answer checked, no retries; also of streams that the server refused and a client might repeat.
 */
export function startHttp2Load(
  port: number,
  ratePerSecond: number,
): { stop(): Promise<Http2Report> } {
  const sessions: (ClientHttp2Session | undefined)[] = [undefined, undefined];
  const failed: string[] = [];
  const underWay = new Set<Promise<void>>();
  let requests = 0;
  let opened = 0;

  const open = (): ClientHttp2Session => {
    opened += 1;
    const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    session.on("error", (error) => failed.push(`session: ${error.message}`));
    return session;
  };
  const send = (): void => {
    requests += 1;
    const slot = requests % sessions.length;
    let session = sessions[slot];
    if (session === undefined || session.closed || session.destroyed) {
      session = open();
      sessions[slot] = session;
    }
    const work = request(session, requests).catch((error: Error) => {
      failed.push(error.message);
    });
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };

  const timer = setInterval(send, 1_000 / ratePerSecond);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(underWay);
      for (const session of sessions) session?.close();
      return { requests, failed, sessions: opened };
    },
  };
}

async function request(session: ClientHttp2Session, number: number): Promise<void> {
  const path = number % 10 === 0 ? `/slow/${number}` : `/echo/${number}`;
  const stream = session.request({ ":path": path });
  stream.setEncoding("utf8").setTimeout(10_000, () => stream.destroy(new Error("timeout")));
  let body = "";
  for await (const chunk of stream) body += String(chunk);
  if (body !== String(number)) throw new Error(`${path}: wrong answer ${JSON.stringify(body)}`);
}
