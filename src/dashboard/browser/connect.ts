import { readEvents } from "../../jobs/web/browser/event-reader.ts";
import type { Watched } from "../messages.ts";
import { forget, isSignedIn, openStream, post, Refused } from "./session.ts";
import { changed, state, take } from "./store.ts";
import { parseMessage } from "./text.ts";

/** The server sends a heartbeat every 5 s: a stream without bytes for longer is dead. */
const SILENCE_MS = 15_000;
const RETRY_MS = { first: 500, most: 8_000 };

let wanted: Omit<Watched, "stream"> = {};
let current: AbortController | undefined;
let failures = 0;

/** Keeps one stream open while the tab is visible. A hidden tab has none, and gets a snapshot when it is seen again. */
export function connect(): void {
  document.addEventListener("visibilitychange", () => (document.hidden ? pause() : void run()));
  if (!document.hidden) void run();
}

function pause(): void {
  current?.abort();
  current = undefined;
  if (state.connection !== "signed out") state.connection = "paused";
}

async function run(): Promise<void> {
  if (current !== undefined) return;
  const stop = (current = new AbortController());
  while (!stop.signal.aborted) {
    if (!isSignedIn()) return signOut(undefined, stop);
    try {
      await readStream(stop.signal);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return signOut(error, stop);
    }
    if (stop.signal.aborted) return;
    failures += 1;
    state.connection = "lost";
    state.stream = undefined;
    changed();
    const waitMs = Math.min(RETRY_MS.first * 2 ** (failures - 1), RETRY_MS.most);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

function signOut(refused: Refused | undefined, stop: AbortController): void {
  if (current === stop) current = undefined;
  forget();
  state.connection = "signed out";
  state.refusal ??= refused && { message: refused.message, fix: refused.fix };
  changed();
}

async function readStream(signal: AbortSignal): Promise<void> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  try {
    const { body } = await openStream(AbortSignal.any([signal, silence.signal]));
    if (body === null) return;
    let isDrawn = true;
    await readEvents(body, alive, ({ event, data }) => {
      if (data === "") return;
      take(event, parseMessage(data));
      if (event === "hello") {
        state.connection = "live";
        failures = 0;
        void sendWanted();
      }
      if (!isDrawn) return;
      // The messages of one piece are drawn together.
      isDrawn = false;
      queueMicrotask(() => {
        isDrawn = true;
        changed();
      });
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Asks for the details of a service, for lines or for a view, in place of those before. */
export function watch(next: typeof wanted): void {
  wanted = next;
  void sendWanted();
}

async function sendWanted(): Promise<void> {
  const { stream } = state;
  if (stream === undefined) return;
  try {
    await post("/api/watch", { stream, ...wanted });
  } catch (error) {
    // A stream that has ended is opened again, and then asks by itself.
    if (!(error instanceof Refused) || stream !== state.stream) return;
    state.trouble = error.message;
    changed();
  }
}
