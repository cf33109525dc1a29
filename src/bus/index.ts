export { Bus } from "./bus.ts";
export * from "./bus-options.ts";
export type {
  BuiltInChannels,
  ChannelMap,
  ChannelName,
  Listener,
  OpenChannels,
  Step,
  SubscribeOptions,
} from "./channels.ts";
export { EXIT_CODES } from "./exit-codes.ts";
export { ChannelFailures, ExitRequest, type ListenerFailure } from "./failures.ts";
export type { LogEntry, LogLevel } from "./log.ts";
export { flushOutput } from "./output.ts";
export type { ChildExit, NewOwner, PluginChannels } from "./plugin-channels.ts";
export * from "./plugins/autoreload.ts";
export * from "./plugins/background-task.ts";
export * from "./plugins/child.ts";
export * from "./plugins/crash.ts";
export * from "./plugins/daemonize.ts";
export * from "./plugins/loggers.ts";
export * from "./plugins/monitor.ts";
export * from "./plugins/parent.ts";
export { pidfile, type PidfileOptions } from "./plugins/pidfile.ts";
export * from "./plugins/privileges.ts";
export * from "./plugins/reexec.ts";
export * from "./plugins/serve.ts";
export * from "./plugins/signals.ts";
export * from "./plugins/systemd.ts";
export * from "./plugins/threads.ts";
export { type BusState, TRANSITIONS } from "./lifecycle/states.ts";
