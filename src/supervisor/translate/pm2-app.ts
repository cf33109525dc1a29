import type { Key } from "../config/problems.ts";
import type { Notes } from "./draft.ts";
import type { Parsed } from "./parsed.ts";

/** An app of an ecosystem file, with the words that notes about it need. */
export interface Pm2App {
  readonly app: Readonly<Record<string, unknown>>;
  readonly keys: readonly Key[];
  readonly service: string;
  readonly parsed: Parsed;
  readonly notes: Notes;
}
