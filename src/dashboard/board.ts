import { messageOf } from "../base/errors.ts";
import { sleep } from "../base/timers.ts";
import type { ServiceView, SupervisorEvent } from "../supervisor/api.ts";
import { figuresOf } from "./figures.ts";
import {
  type Act,
  commandOfView,
  keyOfView,
  type MessageName,
  type Messages,
  type Point,
  type ReplicaFigures,
  type ViewRequest,
  type Watched,
  type Why,
} from "./messages.ts";
import type { PageStream } from "./page-stream.ts";
import { Repeated } from "./repeated.ts";
import type { Source } from "./source.ts";

const TICK_MS = 2_000;
/** The reasons are read when a state has changed, and at least this often: a disk may fill without a change of state. */
const WHY_MS = 15_000;
/** The figures of preloads are read this often, while a page shows a service. */
const FIGURES_MS = 4_000;
const RETRY_MS = 1_000;
const POINTS = 90;
const EVENTS = 500;

/**
 * The state that pages show. It is read while at least one page is connected, once for all of them; a page gets all of
 * it first, and then the changes.
 */
export class Board {
  readonly #source: Source;
  readonly #pages = new Map<PageStream, Shown>();
  #stop: AbortController | undefined;
  #services = new Map<string, { readonly view: ServiceView; readonly text: string }>();
  #points = new Map<string, Point[]>();
  #isSupervised = false;
  #states = "";
  #why: Why | undefined;
  #events: readonly SupervisorEvent[] = [];
  #acts: readonly Act[] = [];
  /** By the reading that fails at present. */
  readonly #troubles = new Map<string, string>();
  #tick = 0;
  readonly #reading: Repeated;
  readonly #explaining: Repeated;

  constructor(source: Source) {
    this.#source = source;
    this.#reading = new Repeated(() => this.#guarded("services", () => this.#readServices()));
    this.#explaining = new Repeated(() => this.#guarded("why", () => this.#readWhy()));
  }

  /** Sends the whole state to a page, and the changes until {@link detach}. */
  attach(page: PageStream): void {
    this.#pages.set(page, {});
    if (this.#stop === undefined) this.#begin();
    else page.send("services", this.#allServices());
    if (this.#why !== undefined) page.send("why", this.#why);
    page.send("events", { isAll: true, events: this.#events });
    page.send("acts", this.#acts);
    if (this.#troubles.size > 0) page.send("trouble", this.#trouble());
  }

  detach(page: PageStream): void {
    this.#pages.delete(page);
    if (this.#pages.size > 0) return;
    this.#stop?.abort();
    this.#stop = undefined;
  }

  /** Sends the details of a service, or the data of a view, to a page from now on, in place of those before. */
  show(page: PageStream, shown: Shown): void {
    if (!this.#pages.has(page)) return;
    this.#pages.set(page, shown);
    const { service, view } = shown;
    if (service !== undefined) void this.#guarded("service", () => this.#readDetail(service, true));
    if (view !== undefined) void this.#readView(view);
  }

  showActs(acts: readonly Act[]): void {
    this.#acts = acts;
    this.#broadcast("acts", acts);
    void this.#reading.ask();
    if (acts.every(({ endedMs }) => endedMs !== undefined)) void this.#readViews();
  }

  #begin(): void {
    const stop = new AbortController();
    this.#stop = stop;
    // The state may be an old one: every page gets all of it with the first reading.
    this.#services = new Map();
    this.#states = "";
    void this.#followEvents(stop.signal);
    void this.#tickUntil(stop.signal);
  }

  async #tickUntil(signal: AbortSignal): Promise<void> {
    for (let nextWhyMs = 0; !signal.aborted; this.#tick += 1) {
      await this.#reading.ask();
      if (performance.now() >= nextWhyMs) {
        void this.#explaining.ask();
        nextWhyMs = performance.now() + WHY_MS;
      }
      await Promise.all([this.#readDetails(), this.#readViews()]);
      await sleep(TICK_MS, signal);
    }
  }

  async #followEvents(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#guarded("events", async () => {
        for await (const event of this.#source.events(signal)) {
          this.#events = [...this.#events, event].slice(-EVENTS);
          this.#broadcast("events", { isAll: false, events: [event] });
          void this.#reading.ask();
        }
      });
      if (!signal.aborted) await sleep(RETRY_MS, signal);
    }
  }

  async #readServices(): Promise<void> {
    const found = await this.#source.services();
    const views = found ?? [];
    const isFirst = this.#services.size === 0;
    const next = new Map(views.map((view) => [keyOf(view), { view, text: textOf(view) }] as const));
    const changed = [...next].filter(([key, { text }]) => this.#services.get(key)?.text !== text);
    const removed = [...this.#services.keys()].filter((key) => !next.has(key));
    this.#services = next;
    this.#isSupervised = found !== undefined;
    this.#addPoints(views);
    for (const key of removed) this.#points.delete(key);
    this.#broadcast(
      "services",
      isFirst
        ? this.#allServices()
        : {
            isAll: false,
            supervised: this.#isSupervised,
            changed: changed.map(([, { view }]) => view),
            removed,
            isTick: true,
          },
    );
    const states = JSON.stringify([found === undefined, views.map(stateOf)]);
    if (states !== this.#states) void this.#explaining.ask();
    this.#states = states;
  }

  #addPoints(views: readonly ServiceView[]): void {
    for (const view of views) {
      const points = this.#points.get(keyOf(view)) ?? [];
      points.push(pointOf(view));
      if (points.length > POINTS) points.shift();
      this.#points.set(keyOf(view), points);
    }
  }

  #allServices(): Messages["services"] {
    return {
      isAll: true,
      supervised: this.#isSupervised,
      changed: [...this.#services.values()].map(({ view }) => view),
      removed: [],
      isTick: false,
      points: Object.fromEntries(this.#points),
    };
  }

  async #readWhy(): Promise<void> {
    this.#why = await this.#source.why();
    this.#broadcast("why", this.#why);
  }

  async #readDetails(): Promise<void> {
    const keys = new Set([...this.#pages.values()].flatMap(({ service }) => service ?? []));
    const withFigures = this.#tick % (FIGURES_MS / TICK_MS) === 0;
    for (const key of keys)
      await this.#guarded("service", () => this.#readDetail(key, withFigures));
  }

  readonly #figures = new Map<string, readonly ReplicaFigures[]>();

  async #readDetail(key: string, withFigures: boolean): Promise<void> {
    const at = key.indexOf("/");
    const [app, service] = [key.slice(0, at), key.slice(at + 1)];
    const detail = await this.#source.detail(app, service);
    if (detail !== undefined && withFigures) {
      this.#figures.clear();
      this.#figures.set(key, figuresOf(await this.#source.metrics(app), service));
    }
    const figures = this.#figures.get(key) ?? [];
    const message = { key, figures, ...(detail === undefined ? {} : { detail }) };
    for (const [page, { service: shown }] of this.#pages)
      if (shown === key) page.send("service", message);
  }

  async #readViews(): Promise<void> {
    const views = [...this.#pages.values()].flatMap(({ view }) => view ?? []);
    const distinct = new Map(views.map((view) => [keyOfView(view), view]));
    await Promise.all([...distinct.values()].map((view) => this.#readView(view)));
  }

  async #readView(view: ViewRequest): Promise<void> {
    const key = keyOfView(view);
    let message: Messages["view"];
    try {
      message = { key, data: await this.#source.document(commandOfView(view)) };
    } catch (error) {
      message = { key, error: messageOf(error) };
    }
    for (const [page, { view: shown }] of this.#pages)
      if (shown !== undefined && keyOfView(shown) === key) page.send("view", message);
  }

  /** An error is shown on the pages, and the next reading may succeed. */
  async #guarded(name: string, read: () => Promise<void>): Promise<void> {
    const before = this.#trouble().text;
    try {
      await read();
      this.#troubles.delete(name);
    } catch (error) {
      this.#troubles.set(name, messageOf(error));
    }
    const trouble = this.#trouble();
    if (trouble.text !== before) this.#broadcast("trouble", trouble);
  }

  #trouble(): Messages["trouble"] {
    return { text: [...new Set(this.#troubles.values())].join(" ") };
  }

  #broadcast<Name extends MessageName>(name: Name, data: Messages[Name]): void {
    for (const page of this.#pages.keys()) page.send(name, data);
  }
}

/** The things that a page shows besides the overview. */
type Shown = Pick<Watched, "service" | "view">;

/** `shop/web` */
function keyOf({ app, name }: ServiceView): string {
  return `${app}/${name}`;
}

/** The text by which a changed service is found: times that were read from another clock differ by a millisecond. */
function textOf(view: ServiceView): string {
  return JSON.stringify(view, (name, value: unknown) =>
    typeof value === "number" && name.endsWith("Ms") ? Math.round(value / 100) : value,
  );
}

/** The part of a service that its reason depends on. */
function stateOf({
  app,
  name,
  state,
  wanted,
  ready,
  replicas,
  why,
  processes,
}: ServiceView): unknown {
  return [app, name, state, wanted, ready, replicas, why, processes.map((each) => each.kernelName)];
}

function pointOf({ processes }: ServiceView): Point {
  const sum = (values: readonly (number | undefined)[]): number =>
    values.reduce<number>((total, value) => total + (value ?? 0), 0);
  return [
    Math.round(sum(processes.map(({ cpuPercent }) => cpuPercent)) * 10) / 10,
    sum(processes.map(({ memoryBytes }) => memoryBytes)),
  ];
}
