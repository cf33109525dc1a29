const codes = new WeakMap<object, number>();
let watching = false;

/**
 * Makes Node end the process with this code, instead of its default 1, if the error stays uncaught:
 * then `await bus.start()` without a catch ends with the code in the table of exit codes.
 */
export function codeWhenUncaught(error: object, code: number): void {
  codes.set(error, code);
  if (watching) return;
  watching = true;
  // A monitor does not handle the error: Node still prints it and ends the process.
  process.on("uncaughtExceptionMonitor", (thrown: unknown) => {
    const wanted = typeof thrown === "object" && thrown !== null ? codes.get(thrown) : undefined;
    if (wanted !== undefined) process.once("exit", () => (process.exitCode = wanted));
  });
}
