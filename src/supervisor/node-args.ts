/**
 * Options of Node.js for the supervisor. It collects its garbage itself when it is idle again, which takes 2.5 MB
 * off an idle supervisor. The space for young objects stays small (2 MB): grown to its
 * usual 16 MB, it let thousands of restarts add tens of megabytes of garbage to an idle daemon.
 */
export const SUPERVISOR_NODE_ARGS: readonly string[] = ["--max-semi-space-size=2", "--expose-gc"];
