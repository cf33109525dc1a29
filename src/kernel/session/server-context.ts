import type { CommandContext } from "../commands/command.ts";

/** A build to upgrade to; missing fields are those of the running build. */
interface BuildRequest {
  readonly node?: string;
  readonly program?: string;
}

/** The context that all sessions of a server share. */
export interface ServerContext extends CommandContext {
  readonly version: string;
  /** Ends the kernel once the last client left, if it holds no process, socket or value then. */
  exitWhenUnused(): void;
  /**
   * Tries a build and, once the answer was sent, replaces this kernel by it.
   *
   * @throws NEWEL_E_UPGRADE_REFUSED
   */
  upgrade(build: BuildRequest): Promise<{ readonly version: string }>;
  /** Logs an error without a code, which is a fault of newel. */
  readonly fault: (error: unknown) => void;
}
