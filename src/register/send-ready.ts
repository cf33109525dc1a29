type Send = (message: unknown, ...rest: unknown[]) => boolean;

/**
 * Adds `process.send` for apps that report readiness as pm2 documents it: `process.send("ready")`, without
 * checking that the function exists. Any other message has no effect. In a process with an IPC channel,
 * `process.send` stays unchanged.
 *
 * @param onReady - called for each `"ready"`
 */
export function acceptReadyMessage(onReady: () => void): void {
  if (process.send !== undefined) return;
  const send: Send = (message, ...rest) => {
    if (message === "ready") onReady();
    const callback = rest.find((value) => typeof value === "function");
    if (callback !== undefined) process.nextTick(callback, null);
    return true;
  };
  Reflect.set(process, "send", send);
}
