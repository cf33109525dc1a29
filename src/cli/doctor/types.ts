/**
 * The result of one check: `ok`, a `problem` with the step that solves it, or a `note`: a fact that an operator may
 * want to change and that keeps nothing from working.
 */
export interface Finding {
  /** The topic: `home`, `kernel`, `ports`. */
  readonly check: string;
  readonly state: "ok" | "note" | "problem";
  /** The fact in one line. */
  readonly what: string;
  /** The step to take; a problem always has one. */
  readonly fix?: string;
}
