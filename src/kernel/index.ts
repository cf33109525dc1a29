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

// The types of the kernel's objects and answers.
export type {
  ClaimInfo,
  KernelEvent,
  KernelEventType,
  KernelStatus,
  RecoveryStatus,
  SocketFamily,
  SocketInfo,
  SocketRequest,
  SocketReturn,
  SocketType,
  ValueInfo,
} from "./api.ts";
export type {
  OutputChunk,
  OutputPosition,
  ProcessInfo,
  ProcessRequest,
  SignalReport,
  SignalScope,
  StreamMode,
  StreamName,
  StreamRange,
} from "./process-api.ts";

// The home, in which the kernel keeps its state.
export { findHome, homeAt, type Home } from "../base/home.ts";
