import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { PageLine } from "../messages.ts";
import { watch } from "./connect.ts";
import { Empty } from "./parts.tsx";
import { type Route, serviceLink, setQuery } from "./router.ts";
import { pauseLogs, restartLogs, state, useNow, useStore } from "./store.ts";
import { clock, inert } from "./text.ts";

/** The height of a line, as in app.css: only lines that are seen are in the document. */
const LINE_PX = 20;
/** The wait after the last letter before the server searches. */
const TYPING_MS = 250;
const PROCESS_COLOURS = 6;

/** The output of services, merged by time, with new lines as they come. */
export function Logs({ route: { query } }: { route: Route }): JSX.Element {
  const { logs } = useStore();
  const service = query.get("service") ?? "";
  const text = query.get("text") ?? "";
  const errOnly = query.get("stream") === "err";
  const typed = useRef(text);
  useEffect(() => {
    const begin = (): void => {
      const names = service === "" ? [] : [service];
      watch({ logs: { request: restartLogs(), services: names, text } });
    };
    const timer = setTimeout(begin, typed.current === text ? 0 : TYPING_MS);
    typed.current = text;
    return () => clearTimeout(timer);
  }, [service, text]);
  useEffect(() => () => watch({}), []);
  const lines = errOnly ? logs.lines.filter(({ stream }) => stream === "err") : logs.lines;
  return (
    <>
      <h1>Logs</h1>
      <Filters service={service} text={text} errOnly={errOnly} lines={lines} />
      {logs.skipped > 0 && (
        <p class="note">
          {logs.skipped} lines came faster than this page takes them and were left out.{" "}
          <code>newel logs</code> has them.
        </p>
      )}
      {lines.length === 0 ? (
        <Empty>{logs.isLoaded ? "No line." : "Reading…"}</Empty>
      ) : (
        <Lines lines={lines} withService={service === ""} mark={text} />
      )}
      <p class="muted">
        <code>newel logs{service === "" ? "" : ` ${service}`} -f</code> prints the same.
      </p>
    </>
  );
}

function Filters(props: {
  service: string;
  text: string;
  errOnly: boolean;
  lines: readonly PageLine[];
}): JSX.Element {
  const { services, logs } = useStore();
  const { service, text, errOnly, lines } = props;
  const names = [...services.keys()];
  if (service !== "" && !names.includes(service)) names.push(service);
  return (
    <p class="filters">
      <label>
        <span class="hidden">Service</span>
        <select
          value={service}
          onChange={({ currentTarget }) => setQuery("service", currentTarget.value)}
        >
          <option value="">every service</option>
          {names.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="hidden">Find text</span>
        <input
          type="search"
          value={text}
          placeholder="text in the line"
          data-search
          onInput={({ currentTarget }) => setQuery("text", currentTarget.value)}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={errOnly}
          onChange={({ currentTarget }) => setQuery("stream", currentTarget.checked ? "err" : "")}
        />{" "}
        stderr only
      </label>
      <button type="button" aria-pressed={logs.isPaused} onClick={() => pauseLogs(!logs.isPaused)}>
        {logs.isPaused ? `Continue (${logs.waiting.length} new)` : "Pause"}
      </button>
      <button type="button" disabled={lines.length === 0} onClick={() => download(lines)}>
        Download
      </button>
    </p>
  );
}

/** A list that follows its end until it is scrolled up. */
function Lines(props: {
  lines: readonly PageLine[];
  withService: boolean;
  mark: string;
}): JSX.Element {
  const { lines, withService, mark } = props;
  const now = useNow();
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [open, setOpen] = useState<PageLine>();
  useLayoutEffect(() => {
    const { current } = box;
    if (current === null) return;
    setHeight(current.clientHeight);
    if (follows.current) current.scrollTop = current.scrollHeight;
  }, [lines]);
  const first = Math.max(0, Math.floor(top / LINE_PX) - 10);
  const last = Math.min(lines.length, Math.ceil((top + height) / LINE_PX) + 10);
  const show = { now, withService, mark, onOpen: setOpen };
  return (
    <>
      <div
        ref={box}
        class="lines"
        role="log"
        aria-live="off"
        aria-label="Output"
        tabIndex={0}
        onKeyDown={(event) => {
          const next = lineAt(event.key, lines, open, last - 10);
          if (next === "none") return;
          event.preventDefault();
          setOpen(next);
        }}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          follows.current = scrollTop + clientHeight >= scrollHeight - LINE_PX;
          setTop(scrollTop);
        }}
      >
        <div style={{ height: `${lines.length * LINE_PX}px` }}>
          <div style={{ transform: `translateY(${first * LINE_PX}px)` }}>
            {lines.slice(first, last).map((line) => (
              <Line key={line.id} line={line} {...show} />
            ))}
          </div>
        </div>
      </div>
      {open !== undefined && <Opened line={open} close={() => setOpen(undefined)} />}
    </>
  );
}

/** The line to show after a key: Enter shows one, the arrows go from one to the next, Escape closes it. */
function lineAt(
  key: string,
  lines: readonly PageLine[],
  open: PageLine | undefined,
  lastSeen: number,
): PageLine | undefined | "none" {
  if (key === "Enter") return lines[Math.min(lastSeen, lines.length) - 1] ?? lines.at(-1) ?? "none";
  if (open === undefined) return "none";
  if (key === "Escape") return undefined;
  const step = key === "ArrowUp" ? -1 : key === "ArrowDown" ? 1 : 0;
  return step === 0 ? "none" : (lines[lines.findIndex(({ id }) => id === open.id) + step] ?? open);
}

/** The whole of one line. */
function Opened({ line, close }: { line: PageLine; close: () => void }): JSX.Element {
  const { app, service, process, timeMs, stream, text, cut } = line;
  return (
    <section class="opened" aria-label="Line">
      <p>
        {app !== undefined && service !== undefined && (
          <a href={serviceLink(app, service)}>{process}</a>
        )}{" "}
        <span class="muted">
          {new Date(timeMs).toISOString()} {stream === "err" ? "stderr" : "stdout"}
        </span>{" "}
        <button type="button" class="quiet" onClick={close}>
          close
        </button>
      </p>
      <pre tabIndex={0}>{pretty(text)}</pre>
      {cut !== undefined && <p class="note">{cut} more characters are in `newel logs`.</p>}
    </section>
  );
}

function Line(props: {
  line: PageLine;
  now: number;
  withService: boolean;
  mark: string;
  onOpen: (line: PageLine) => void;
}): JSX.Element {
  const { line, now, withService, mark, onOpen } = props;
  const { process, stream, timeMs, text, gap, isGap } = line;
  return (
    <div class={`line ${stream}${gap === undefined ? "" : " gap"}`} onClick={() => onOpen(line)}>
      <time>{clock(timeMs, now)}</time>
      {withService && (
        <span class={`process p${colourOf(line.service ?? process)}`}>{process}</span>
      )}
      {stream === "err" && <span class="stream">err</span>}
      {gap !== undefined && <span class="lost">{gap}</span>}
      {isGap !== true && <Text text={text} mark={mark} />}
    </div>
  );
}

/** The same service has the same colour on every page; the name says which it is. */
function colourOf(name: string): number {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 65_521;
  return hash % PROCESS_COLOURS;
}

/** A line; of a line of JSON with a message, the level and the message come first. */
function Text({ text, mark }: { text: string; mark: string }): JSX.Element {
  const entry = entryOf(text);
  if (entry === undefined) return <bdi dir="ltr">{marked(text, mark)}</bdi>;
  const { level, message, rest } = entry;
  return (
    <bdi dir="ltr">
      {level !== undefined && <span class={`level ${level}`}>{level} </span>}
      {marked(message, mark)} <span class="muted-text">{marked(rest, mark)}</span>
    </bdi>
  );
}

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];

/** The parts of a line of a JSON log such as pino's. */
function entryOf(text: string): { level?: string; message: string; rest: string } | undefined {
  const parsed = objectOf(text);
  if (parsed === undefined) return undefined;
  const { level, msg, message = msg, time: _, pid: __, hostname: ___, ...others } = parsed;
  if (typeof message !== "string") return undefined;
  delete others["msg"];
  const word = typeof level === "number" ? LEVELS[Math.floor(level / 10) - 1] : level;
  const known = LEVELS.find((each) => each === word);
  const rest = Object.entries(others)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
  return {
    ...(known === undefined ? {} : { level: known }),
    message: inert(message).replaceAll("\n", " ⏎ "),
    rest: inert(rest),
  };
}

function objectOf(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith("{") || !text.endsWith("}")) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

/** A line of JSON with one field a line. */
function pretty(text: string): string {
  const parsed = objectOf(text);
  return parsed === undefined ? text : inert(JSON.stringify(parsed, undefined, 2));
}

/** The text with the found part marked. */
function marked(text: string, mark: string): JSX.Element | string {
  const at = mark === "" ? -1 : text.toLowerCase().indexOf(mark.toLowerCase());
  if (at === -1) return text;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + mark.length)}</mark>
      {text.slice(at + mark.length)}
    </>
  );
}

function download(lines: readonly PageLine[]): void {
  const text = lines
    .map(({ timeMs, process, text }) => `${new Date(timeMs).toISOString()} ${process} | ${text}\n`)
    .join("");
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `newel-${state.about?.startedMs ?? 0}.log`;
  link.click();
  URL.revokeObjectURL(url);
}
