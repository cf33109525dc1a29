// The kernel, for programs that use it.
export { connectKernel as connect, setDefault } from "./client/client.ts";
export type {
  ConnectOptions,
  HeldClaim,
  KernelClient,
  OutputEnd,
  StoredSockets,
  ValueChange,
  WatchOptions,
} from "./client-api.ts";

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
  RecoveryStatus,
  SignalReport,
  SignalScope,
  SocketFamily,
  SocketInfo,
  SocketRequest,
  SocketReturn,
  SocketType,
  StreamMode,
  StreamName,
  StreamRange,
  ValueInfo,
} from "./api.ts";

// Where it keeps it.
export { findHome, homeAt, type Home } from "../base/home.ts";
