// The kernel, for programs that use it.
export { connectKernel } from "./client/client.ts";
export type { ConnectOptions, KernelClient, OutputEnd, WatchOptions } from "./client-api.ts";

// What the kernel holds and answers.
export type {
  ClaimInfo,
  KernelEvent,
  KernelEventType,
  KernelStatus,
  OutputChunk,
  OutputPosition,
  ProcessInfo,
  ProcessRequest,
  SignalReport,
  SignalScope,
  SocketFamily,
  SocketInfo,
  SocketRequest,
  SocketType,
  StreamMode,
  StreamName,
  StreamRange,
  ValueInfo,
} from "./api.ts";

// Where it keeps it.
export { findHome, homeAt, type Home } from "../base/home.ts";
