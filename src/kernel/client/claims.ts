import { hasCode, messageOf, newelError } from "../../base/errors.ts";
import type { HeldClaim } from "../client-api.ts";
import type { Link } from "./link.ts";

/** The claims of one client, which the same process asks for again when the connection was lost. */
export class Claims {
  readonly #link: () => Link;
  readonly #held = new Map<string, { readonly epoch: number; readonly lost: AbortController }>();

  constructor(link: () => Link) {
    this.#link = link;
  }

  async ask(name: string, signal?: AbortSignal): Promise<HeldClaim> {
    signal?.throwIfAborted();
    // The waiting request then fails, and its failure is the answer.
    const giveUp = (): void => this.#giveBack(name);
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

  /**
   * Asks for every claim again after the connection was lost: a kernel that died keeps each claim for this
   * process.
   */
  reclaim(): void {
    for (const [name, { epoch, lost }] of this.#held)
      this.#askAgain(name, epoch, lost).catch((error: unknown) =>
        this.#lose(name, lost, messageOf(error)),
      );
  }

  /** Handles the kernel's message that another client took a claim of this client. */
  taken(name: string): void {
    const held = this.#held.get(name);
    if (held !== undefined) this.#lose(name, held.lost, "it was taken");
  }

  async #askAgain(name: string, epoch: number, lost: AbortController): Promise<void> {
    try {
      await this.#request(name, epoch);
    } catch (error) {
      if (!hasCode(error, "NEWEL_E_NOT_FOUND")) throw error;
      this.#lose(name, lost, "another client took it");
    }
  }

  #giveBack(name: string): void {
    // If this fails, the connection is gone, and the claim with it.
    this.#link()
      .call({ do: "release", name }, false)
      .catch(() => undefined);
  }

  async #request(name: string, had?: number): Promise<number> {
    const request = { do: "claim", name, pid: process.pid, ...(had === undefined ? {} : { had }) };
    return (await this.#link().call<{ epoch: number }>(request, "always")).epoch;
  }

  async #release(name: string, lost: AbortController): Promise<void> {
    if (this.#held.get(name)?.lost !== lost) return;
    const epoch = this.#held.get(name)?.epoch;
    this.#held.delete(name);
    try {
      // The connection may be a new one that has not asked for the claim yet; only the connection that has
      // the claim can release it.
      await this.#request(name, epoch);
      await this.#link().call({ do: "release", name }, false);
    } catch (error) {
      // Taken by another client since then, or released before the connection broke.
      if (hasCode(error, "NEWEL_E_NOT_FOUND")) return;
      if (!hasCode(error, "NEWEL_E_CONNECTION_LOST") || epoch === undefined) throw error;
      this.#held.set(name, { epoch, lost });
      await this.#release(name, lost);
    }
  }

  #lose(name: string, lost: AbortController, why: string): void {
    if (this.#held.get(name)?.lost !== lost) return;
    this.#held.delete(name);
    lost.abort(newelError("NEWEL_E_CANCELLED", { what: `The claim ${name} (${why})` }));
  }
}
