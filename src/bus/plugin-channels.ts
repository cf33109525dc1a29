import { ChannelFailures, isExitRequest } from "./failures.ts";

/** Published on the parent's `childExit` when a child has ended. */
export interface ChildExit {
  /** The name that `startChild` was given. */
  readonly name: string;
  /** The process id it had. */
  readonly pid: number;
  /** `null` when a signal ended it. */
  readonly code: number | null;
  /** The signal that ended it; `null` when it ended with an exit code. */
  readonly signal: NodeJS.Signals | null;
  /** Whether the parent had requested it. */
  readonly expected: boolean;
}

/**
 * Published on `privileges` just before they are dropped: for work that needs them, and to change
 * the owner of files.
 */
export interface NewOwner {
  /** The user id that the process takes. */
  readonly uid: number;
  /** The primary group id that the process takes. */
  readonly gid: number;
  /** The supplementary groups, the primary one included, ascending. */
  readonly groups: readonly number[];
}

/** The channels that the plugins publish. A signal is published on the channel of its name: `SIGTERM`. */
export interface PluginChannels extends Record<NodeJS.Signals, () => unknown> {
  /** Published by `startChild`. */
  childExit(exit: ChildExit): unknown;
  /** Published by `threads`: the index of the thread among the live ones, from 1, and its id. */
  startThread(index: number, threadId: number): unknown;
  /** Published by `threads`. */
  stopThread(index: number, threadId: number): unknown;
  /**
   * Published by `reexec`: listeners return the descriptors that stay open for the new image, by
   * name.
   */
  handover(): Readonly<Record<string, number>>;
  /** Published by `dropPrivileges`. */
  privileges(owner: NewOwner): unknown;
}

/** The part of a bus that {@link notify} uses. */
interface Notified {
  exit(code?: number): Promise<number>;
}

/**
 * Publishes from a callback of Node.js, where no caller could handle an error: the failures of listeners are
 * in the log, and an exit request is carried out.
 */
export function notify(bus: Notified, publish: () => unknown): void {
  try {
    publish();
  } catch (error) {
    if (isExitRequest(error)) void bus.exit(error.exitCode);
    else if (!(error instanceof ChannelFailures)) throw error;
  }
}
