/**
 * Sends a signal to another process, or to its group by a negative number.
 *
 * A pid that is read from a file before the file is written is 0. kill(2) takes 0 for the group of the caller, which is
 * the whole test run, and -1 for every process of the machine.
 *
 * @throws RangeError for numbers that are no pid of another process
 */
export function sendSignal(pid: number, signal: NodeJS.Signals | 0): void {
  if (!Number.isSafeInteger(pid) || Math.abs(pid) <= 1)
    throw new RangeError(`${pid} is not the pid of another process`);
  process.kill(pid, signal);
}
