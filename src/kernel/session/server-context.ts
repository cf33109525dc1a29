import type { CommandContext } from "../commands/command.ts";

/** A build to upgrade to; what is missing is as it is now. */
interface BuildRequest {
  readonly node?: string;
  readonly program?: string;
}

/** What every session of a server works with. */
export interface ServerContext extends CommandContext {
  readonly version: string;
  /** The kernel ends once the last client left, if it holds nothing then. */
  exitWhenUnused(): void;
  /**
   * Tries a build and, once the answer has left, replaces this kernel by it.
   *
   * @throws NEWEL_E_UPGRADE_REFUSED
   */
  upgrade(build: BuildRequest): Promise<{ readonly version: string }>;
  /** Something failed that has no code: a fault of ours, for the log. */
  readonly fault: (error: unknown) => void;
}
