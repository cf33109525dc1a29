import type { RunEvent } from "../../api.ts";

/**
 * For browsers, without a build: `<job-progress src="/imports/42/events" next="/contacts">` shows how far a run
 * is and goes to `next` when it is done. What the page has inside the element (a `<progress>`, an
 * `<output>`, a text for browsers without JavaScript) is used, what is missing is added. Nothing here has
 * colours of its own.
 *
 * Attributes: `src`, `next`, `label` of the bar, and a word for each state (`running="Läuft"`). It has the state
 * as `data-state`, and sends an event `job` with what it was told; prevented, it does not go to `next`.
 */

/** A run as far as the browser knows it. */
export type JobView = Omit<RunEvent, "id" | "type">;

const LONGEST_WAIT_MS = 30_000;
const FIRST_WAIT_MS = 500;
const ENDED = ["done", "failed", "cancelled"];
const WORDS = {
  waiting: "Waiting",
  delayed: "Waiting",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};

/**
 * Listens to the events of a run until its end, whatever becomes of the connection.
 *
 * @param url - of `jobs.sse`
 * @param onChange - is given the whole state each time
 * @returns ends it
 */
export function follow(url: string, onChange: (view: JobView) => void): () => void {
  let source: EventSource;
  let timer: ReturnType<typeof setTimeout>;
  let last = "";
  let failures = 0;
  let view: JobView;
  const open = (): void => {
    const after = `${url.includes("?") ? "&" : "?"}after=${encodeURIComponent(last)}`;
    source = new EventSource(last ? url + after : url);
    source.onmessage = ({ data, lastEventId }) => {
      failures = 0;
      last = lastEventId;
      const { type, ...told } = JSON.parse(data as string) as RunEvent;
      view = type === "run" ? told : { ...view, ...told };
      if (ENDED.includes(view.state)) source.close();
      onChange(view);
    };
    // Closed: an HTTP error, such as a proxy's 502, after which a browser does not come back by itself.
    source.onerror = () => {
      if (source.readyState < 2) return;
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures++);
      timer = setTimeout(open, wait * (0.75 + Math.random() / 2));
    };
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}

// On a server, where a page is rendered with it, there are no elements.
const Base = globalThis.HTMLElement ?? Object;

class JobProgress extends Base {
  static observedAttributes = ["src"];
  #stop?: () => void;

  connectedCallback(): void {
    this.#stop?.();
    const bar = this.#part("progress");
    const text = this.#part("output");
    bar.ariaLabel ??= this.getAttribute("label") ?? "Progress";
    this.#stop = follow(this.getAttribute("src") ?? "", (view) => this.#show(view, bar, text));
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.connectedCallback();
  }

  disconnectedCallback(): void {
    this.#stop?.();
  }

  #part<Name extends "progress" | "output">(name: Name): HTMLElementTagNameMap[Name] {
    return this.querySelector(name) ?? this.appendChild(document.createElement(name));
  }

  #show(view: JobView, bar: HTMLProgressElement, text: HTMLOutputElement): void {
    const { state, progress, error } = view;
    const { done = 0, total = 0, note } = progress ?? {};
    const runs = state === "running" && total > 0;
    if (total > 0) {
      bar.max = total;
      bar.value = done;
    }
    // One that says nothing would go on moving.
    if (ENDED.includes(state)) bar.value = state === "done" ? bar.max : done;
    const word = this.getAttribute(state) ?? WORDS[state];
    const more = runs ? note : state === "failed" && error?.message;
    const share = runs ? `${Math.floor((100 * done) / total)} %` : word;
    // Each step would be read aloud; the bar tells them, this tells what else changes.
    text.ariaLive = runs ? "off" : "polite";
    text.value = more ? `${share}: ${more}` : share;
    this.dataset["state"] = state;
    const event = new CustomEvent("job", { detail: view, bubbles: true, cancelable: true });
    const next = this.getAttribute("next");
    if (this.dispatchEvent(event) && state === "done" && next) location.replace(next);
  }
}

globalThis.customElements?.define("job-progress", JobProgress);
