import type { Occasion } from "../config/alerts.ts";

/** An alert as commands and webhooks get it. */
export interface Alert {
  readonly v: 1;
  readonly alert: Occasion;
  readonly app: string;
  /** Missing for `diskFull`. */
  readonly service?: string;
  /** One sentence for a chat: `shop/web failed: web.1 ended with exit code 3`. */
  readonly text: string;
  readonly why?: string;
  readonly timeMs: number;
  /** The name of the machine. */
  readonly host: string;
  /** How many occurrences since the last alert were not sent. */
  readonly suppressed: number;
  /** The last 20 lines of the service. */
  readonly lines: readonly string[];
}
