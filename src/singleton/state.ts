import { hasCode, newelError } from "../base/errors.ts";
import type { Hooks, Ownership } from "./api.ts";
import { checkClass } from "./class-name.ts";
import type { Identity } from "./identity.ts";
import { jsonOf } from "./json.ts";
import type { Replies } from "./replies.ts";

/** A store for a text that outlives its writer. */
export interface SavedText {
  load(): Promise<string | undefined>;
  /** @throws NEWEL_E_SUPERSEDED when the writer is no longer the owner; then nothing was written */
  write(text: string): Promise<void>;
}

/**
 * The result of the instance's `save()`, together with the replies of its idempotent calls: one
 * text, written atomically, so that the effect of a call and the record of that call are never
 * separated.
 */
export class SavedState {
  readonly #id: string;
  readonly #className: string | undefined;
  readonly #instance: Hooks;
  readonly #store: SavedText;
  readonly #replies: Replies;
  #last: string | undefined;
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  constructor(
    { id, className }: Pick<Identity, "id" | "className">,
    instance: Hooks,
    store: SavedText,
    replies: Replies,
  ) {
    this.#id = id;
    this.#className = className;
    this.#instance = instance;
    this.#store = store;
    this.#replies = replies;
  }

  /**
   * Gives the instance the state that the previous owner saved.
   *
   * @throws NEWEL_E_SINGLETON_CLASS when another class saved it
   */
  async restore(ownership: Ownership): Promise<void> {
    this.#last = await this.#store.load();
    if (this.#last === undefined) return;
    const { state, replies } = this.#parse(this.#last);
    this.#replies.restore(replies);
    // The result of save() is the argument of restore(): only the class can know its type.
    await this.#instance.restore?.(state as never, ownership);
  }

  /**
   * Resolves once all changes made so far are saved. Callers that arrive while a write is in
   * progress share the next write, so that many calls cost one write.
   */
  commit(): Promise<void> {
    const write = async (): Promise<void> => {
      this.#next = undefined;
      await (this.#writing = this.#write());
    };
    // A failed write was reported to the callers that waited for it.
    this.#next ??= this.#writing.then(write, write);
    return this.#next;
  }

  async #write(): Promise<void> {
    const saved = this.#instance.save?.();
    const state = saved instanceof Promise ? await saved : saved;
    const type = this.#className === undefined ? "" : `"class":${JSON.stringify(this.#className)},`;
    const text = `{"v":1,${type}"state":${jsonOf(state, this.#id)},"replies":${JSON.stringify(this.#replies)}}`;
    if (text === this.#last) return;
    await this.#store.write(text);
    this.#last = text;
  }

  #parse(text: string): { readonly state: unknown; readonly replies: unknown } {
    try {
      const { v, class: type, state, replies } = JSON.parse(text) as Record<string, unknown>;
      if (v === 1) {
        checkClass(this.#id, typeof type === "string" ? type : undefined, this.#className);
        return { state, replies };
      }
    } catch (error) {
      if (hasCode(error, "NEWEL_E_SINGLETON_CLASS")) throw error;
      throw newelError("NEWEL_E_SINGLETON_STATE", { name: this.#id, why: "it is no JSON" }, error);
    }
    throw newelError("NEWEL_E_SINGLETON_STATE", {
      name: this.#id,
      why: "another version of newel wrote it",
    });
  }
}
