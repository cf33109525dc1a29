import type {
  MetricFamily,
  ServiceDetail,
  ServiceView,
  SupervisorEvent,
} from "../supervisor/api.ts";
import type { LogsWanted, PageLine, Why } from "./messages.ts";

/** Takes lines of output. */
export interface LineTaker {
  print(line: PageLine): void;
  /** Every kept line was printed. */
  caughtUp(): void;
}

/**
 * The data of the dashboard, from the functions of the commands `ps`, `why`, `show`, `metrics`, `events` and `logs`: the
 * page and the command line say the same. The layer above provides it.
 */
export interface Source {
  /** `undefined` while no supervisor runs; nothing is started. */
  services(): Promise<readonly ServiceView[] | undefined>;
  why(): Promise<Why>;
  /** `undefined` for a service that does not exist. */
  detail(app: string, service: string): Promise<ServiceDetail | undefined>;
  metrics(app: string): Promise<readonly MetricFamily[]>;
  /** The changes of state until the signal; ends without an error when the supervisor ends. */
  events(signal: AbortSignal): AsyncIterable<SupervisorEvent>;
  /** The kept lines and the new ones until the signal. */
  logs(wanted: LogsWanted, taker: LineTaker, signal: AbortSignal): Promise<void>;
  /**
   * The document that `newel WORDS… --json` prints.
   *
   * @throws the error that it prints
   */
  document(words: readonly string[]): Promise<unknown>;
  /** Runs the command line `newel WORDS…` in this process and passes on each line that it prints. */
  run(words: readonly string[], print: (line: string) => void): Promise<number>;
}
