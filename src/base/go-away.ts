import type { Http2Session } from "node:http2";

import type { FairClock } from "./fair-time.ts";

/**
 * Ends an HTTP/2 session in a drain: sends GOAWAY, then closes the session when its streams are complete and
 * the client's answer to a ping shows that it has read the GOAWAY.
 *
 * nghttp2 ignores each stream that arrives after it has sent a GOAWAY. A first GOAWAY with the highest
 * number, as RFC 9113 §6.8 advises, would leave the client of such a stream without an answer until the close
 * (the exception, `nghttp2_submit_shutdown_notice`, is not available from Node). So there is one GOAWAY, and
 * it names the last stream that was begun: the client knows at once that it may send a later stream again on
 * another connection. The GOAWAY is sent when a client that sends one request at a time has none in flight:
 * when the next stream begins, or after a linger without one.
 */
export function leaveSession(session: Http2Session, clock: FairClock, lingerMs: number): void {
  const close = (): void => session.close();
  let isAnnounced = false;
  const announce = (): void => {
    if (isAnnounced || session.destroyed) return;
    isAnnounced = true;
    session.goaway();
    session.ping((error) => {
      if (error === null) close();
    });
    // Node's own client, once idle, answers no ping after a GOAWAY.
    clock.after(lingerMs, close);
  };
  // After the event, because the other streams of the same packet begin in it: those count too.
  session.once("stream", () => setImmediate(announce));
  clock.after(lingerMs, announce);
}
