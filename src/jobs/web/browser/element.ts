/**
 * For browsers, without a build: `<job-progress src="/imports/42/events" next="/contacts">` shows how far a run
 * is and goes to `next` when it is done. What the page has inside the element (a `<progress>`, an
 * `<output>`, a text for browsers without JavaScript) is used, what is missing is added. Nothing here has
 * colours of its own.
 *
 * Attributes: `src`; `run`, the id of the run when `src` serves several; `next`; `label` of the bar; and a word for
 * each state (`running="Läuft"`) and for an outage (`lost`). It has the state as `data-state` and the connection as
 * `data-connection`, and sends an event `job` with the view; prevented, it does not go to `next`.
 */
import { follow } from "./follow.ts";
import { isFinal, type JobView } from "./view.ts";

export { follow } from "./follow.ts";
export type { JobState, JobView } from "./view.ts";

const WORDS = {
  unknown: "Waiting",
  waiting: "Waiting",
  delayed: "Waiting",
  running: "Running",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
  forbidden: "You are signed out or may not see this",
  missing: "This is no longer there",
  lost: "connection lost, trying again",
};

// On a server that renders the page, the DOM classes do not exist.
const Base = globalThis.HTMLElement ?? Object;

class JobProgress extends Base {
  static observedAttributes = ["src", "run"];
  #stop?: () => void;

  connectedCallback(): void {
    this.#stop?.();
    const bar = this.#part("progress");
    const text = this.#part("output");
    bar.ariaLabel ??= this.getAttribute("label") ?? "Progress";
    const [url, run] = [this.getAttribute("src") ?? "", this.getAttribute("run") ?? ""];
    this.#stop = follow(url, (view) => this.#show(view, bar, text), run);
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.connectedCallback();
  }

  disconnectedCallback(): void {
    this.#stop?.();
  }

  #part<Name extends "progress" | "output">(name: Name): HTMLElementTagNameMap[Name] {
    const own = this.querySelector(name);
    if (own !== null) return own;
    const made = document.createElement(name);
    // The space replaces the white space of a page.
    this.append(" ", made);
    return made;
  }

  #word(name: keyof typeof WORDS): string {
    return this.getAttribute(name) ?? WORDS[name];
  }

  #show(view: JobView, bar: HTMLProgressElement, text: HTMLOutputElement): void {
    const { state, progress, error, connection } = view;
    const { done = 0, total = 0, note } = progress ?? {};
    const runs = state === "running" && total > 0;
    if (total > 0) {
      bar.max = total;
      bar.value = done;
    }
    // A bar without a value would show an animation.
    if (isFinal(state)) bar.value = state === "done" ? bar.max : done;
    const share = runs ? `${Math.floor((100 * done) / total)} %` : this.#word(state);
    const isLost = connection === "lost";
    const more = isLost ? this.#word("lost") : runs ? note : state === "failed" && error?.message;
    // A screen reader would read each step aloud; the bar reports the steps, this text the other changes.
    text.ariaLive = runs && !isLost ? "off" : "polite";
    text.value = more ? `${share}: ${more}` : share;
    this.dataset["state"] = state;
    this.dataset["connection"] = connection;
    const event = new CustomEvent("job", { detail: view, bubbles: true, cancelable: true });
    const next = this.getAttribute("next");
    if (this.dispatchEvent(event) && state === "done" && next) location.replace(next);
  }
}

globalThis.customElements?.define("job-progress", JobProgress);
