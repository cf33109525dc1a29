export { Bus } from "./bus.ts";
export {
  type BlockOptions,
  type BusOptions,
  DEFAULT_TIMEOUTS_MS,
  type PlannedStep,
  type TimelineEntry,
  type WaitOptions,
} from "./bus-options.ts";
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
export { signals, type SignalAction, type SignalOptions, type Signals } from "./plugins/signals.ts";
export { type BusState, TRANSITIONS } from "./states.ts";
