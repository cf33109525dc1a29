import type { CommandContext } from "../commands/command.ts";
import type { Connection } from "./connection.ts";

/** What every session of a server works with. */
export interface ServerContext extends CommandContext {
  readonly version: string;
  /** The process at the other end, as far as it is known; else the kernel's own. */
  peerPid(connection: Connection): number;
  /** The kernel ends once the last client left, if it holds nothing then. */
  exitWhenUnused(): void;
  /** Something failed that has no code: a fault of ours, for the log. */
  readonly fault: (error: unknown) => void;
}
