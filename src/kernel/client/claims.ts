import { newelError } from "../../base/errors.ts";
import type { Link } from "./link.ts";

/** A claim this client holds. */
export interface HeldClaim {
  readonly epoch: number;
  /** Aborts when the claim was lost: somebody took it, or the kernel could not be reached again. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

/** The claims of one client: asked for again, by the same process, when the connection was lost. */
export class Claims {
  readonly #link: () => Link;
  readonly #held = new Map<string, { readonly epoch: number; readonly lost: AbortController }>();

  constructor(link: () => Link) {
    this.#link = link;
  }

  async ask(name: string, signal?: AbortSignal): Promise<HeldClaim> {
    signal?.throwIfAborted();
    const giveUp = (): void => {
      // The waiting request below answers for both.
      this.#link()
        .call({ do: "release", name }, false)
        .catch(() => undefined);
    };
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      const epoch = await this.#request(name);
      const lost = new AbortController();
      this.#held.set(name, { epoch, lost });
      return { epoch, signal: lost.signal, release: () => this.#release(name, lost) };
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  /** The connection is gone: a kernel that died keeps the claim for this process until it is back. */
  reclaim(): void {
    for (const [name, { epoch, lost }] of this.#held)
      this.#request(name, epoch).then(
        (now) => {
          if (now !== epoch) this.#lose(name, lost, "it was given to another meanwhile");
        },
        (error: unknown) => this.#lose(name, lost, String(error)),
      );
  }

  async #request(name: string, had?: number): Promise<number> {
    const request = { do: "claim", name, pid: process.pid, ...(had === undefined ? {} : { had }) };
    return (await this.#link().call<{ epoch: number }>(request, true)).epoch;
  }

  async #release(name: string, lost: AbortController): Promise<void> {
    if (this.#held.get(name)?.lost !== lost) return;
    this.#held.delete(name);
    await this.#link().call({ do: "release", name }, false);
  }

  #lose(name: string, lost: AbortController, why: string): void {
    if (this.#held.get(name)?.lost !== lost) return;
    this.#held.delete(name);
    lost.abort(newelError("NEWEL_E_CANCELLED", { what: `The claim ${name} (${why})` }));
  }
}
