import type { Duration } from "../../base/units.ts";

/** The occasions of alerts. */
export interface AlertsConfig {
  /** newel gave a service up: it ended too often. */
  readonly failed?: AlertConfig;
  /** A replica ended by itself, and was started again. */
  readonly restarted?: AlertConfig;
  /** A replica ended again so soon that newel waits before the next start. */
  readonly backoff?: AlertConfig;
  /** Less than 64 MB are free on the file system of newel's home. */
  readonly diskFull?: AlertConfig;
}

/** Where an alert goes: a command for `/bin/sh`, a command in words, an http or https URL, or these with options. */
export type AlertConfig = string | readonly string[] | AlertTarget;

/** A target of alerts: `run`, `url`, or both. */
export interface AlertTarget {
  /**
   * A command for `/bin/sh`, or in words without a shell. It gets the alert as one line of JSON on stdin, and as
   * `NEWEL_ALERT`, `NEWEL_ALERT_APP`, `NEWEL_ALERT_SERVICE` and `NEWEL_ALERT_TEXT`. It may run for 30 seconds.
   */
  readonly run?: string | readonly string[];
  /** An http or https URL that gets the alert by POST as JSON. It has 10 seconds, and three attempts. */
  readonly url?: string;
  /** The shortest time between two alerts of the same occasion and service. Default `'5m'`. */
  readonly every?: Duration;
}
