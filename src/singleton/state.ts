import { newelError } from "../base/errors.ts";
import type { Hooks, Ownership } from "./api.ts";
import { jsonOf } from "./json.ts";
import type { Replies } from "./replies.ts";

/** Where a text is kept that outlives its writer. */
export interface SavedText {
  load(): Promise<string | undefined>;
  /** @throws NEWEL_E_SUPERSEDED when the writer is not the owner any more; then nothing was written */
  write(text: string): Promise<void>;
}

/**
 * What the instance's `save()` gives, together with the answers of its idempotent calls: one text,
 * written at once, so that a call and the knowledge that it was made cannot part.
 */
export class SavedState {
  readonly #id: string;
  readonly #instance: Hooks;
  readonly #store: SavedText;
  readonly #replies: Replies;
  #last: string | undefined;
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(id: string, instance: Hooks, store: SavedText, replies: Replies) {
    this.#id = id;
    this.#instance = instance;
    this.#store = store;
    this.#replies = replies;
  }

  /** Gives the instance what the owner before saved. */
  async restore(ownership: Ownership): Promise<void> {
    this.#last = await this.#store.load();
    if (this.#last === undefined) return;
    const { state, replies } = this.#parse(this.#last);
    this.#replies.restore(replies);
    // What save() gave is what restore() takes: only the class can know its type.
    await this.#instance.restore?.(state as never, ownership);
  }

  /**
   * Resolves once all that is done now is kept. Who comes while a write is on its way shares the next
   * one, so that many calls cost one write.
   */
  commit(): Promise<void> {
    const write = async (): Promise<void> => {
      this.#next = undefined;
      await (this.#writing = this.#write());
    };
    // One that failed was told to those who waited for it.
    this.#next ??= this.#writing.then(write, write);
    return this.#next;
  }

  async #write(): Promise<void> {
    const saved = this.#instance.save?.();
    const state = saved instanceof Promise ? await saved : saved;
    const text = `{"v":1,"state":${jsonOf(state, this.#id)},"replies":${JSON.stringify(this.#replies)}}`;
    if (text === this.#last) return;
    await this.#store.write(text);
    this.#last = text;
  }

  #parse(text: string): { readonly state: unknown; readonly replies: unknown } {
    try {
      const { v, state, replies } = JSON.parse(text) as Record<string, unknown>;
      if (v === 1) return { state, replies };
    } catch (error) {
      throw newelError("NEWEL_E_SINGLETON_STATE", { name: this.#id, why: "it is no JSON" }, error);
    }
    throw newelError("NEWEL_E_SINGLETON_STATE", {
      name: this.#id,
      why: "another version of newel wrote it",
    });
  }
}
