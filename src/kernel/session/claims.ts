import type { Kernel } from "../api.ts";

interface Asked {
  /** The fencing number, once granted. */
  epoch: number | undefined;
  giveUp(): void;
}

/** The claims that one connection waits for or holds; they end with the connection. */
export class ConnectionClaims {
  readonly #kernel: Kernel;
  readonly #asked = new Map<string, Asked>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** The fencing number of a claim that this connection holds and no other client took. */
  epochOf(name: string): number | undefined {
    const epoch = this.#asked.get(name)?.epoch;
    const now = this.#kernel.claims.list([name]).find((claim) => claim.name === name);
    return epoch !== undefined && now?.epoch === epoch ? epoch : undefined;
  }

  waitsFor(name: string): boolean {
    const asked = this.#asked.get(name);
    return asked !== undefined && asked.epoch === undefined;
  }

  /**
   * @param granted - called once, possibly before this returns; never after {@link release}
   * @param taken - called when another client takes the claim away
   */
  ask(
    name: string,
    holder: { readonly pid: number; readonly had?: number },
    granted: (epoch: number) => void,
    taken?: () => void,
  ): void {
    const asked: Asked = { epoch: undefined, giveUp: () => undefined };
    const onGranted = (epoch: number): void => {
      asked.epoch = epoch;
      granted(epoch);
    };
    asked.giveUp = this.#kernel.claims.ask(name, holder, onGranted, taken);
    this.#asked.set(name, asked);
  }

  /**
   * Releases a claim, or ends a wait for a claim; returns `false` if the session neither held it nor waited for
   * it.
   */
  release(name: string): boolean {
    const asked = this.#asked.get(name);
    this.#asked.delete(name);
    asked?.giveUp();
    return asked !== undefined;
  }

  close(): void {
    for (const asked of this.#asked.values()) asked.giveUp();
    this.#asked.clear();
  }
}
