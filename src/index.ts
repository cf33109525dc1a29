export { isNewelError, NewelError } from "./base/errors.ts";
export type { ErrorCode } from "./base/error-codes.ts";
export type { Duration, Size } from "./base/units.ts";
export { defineConfig } from "./supervisor/config/define.ts";
export type {
  AliveConfig,
  AliveTiming,
  CommandAliveConfig,
  CommandReadyConfig,
  HttpAliveConfig,
  HttpReadyConfig,
  LogReadyConfig,
  NotifyReadyConfig,
  PatternReadyConfig,
  ReadyConfig,
  ReadyTiming,
  TcpAliveConfig,
  TcpReadyConfig,
} from "./supervisor/config/check-types.ts";
export type {
  LogsConfig,
  ReloadConfig,
  RestartConfig,
  RestartPolicy,
  StopConfig,
} from "./supervisor/config/policy-types.ts";
export type {
  Config,
  DependencyCondition,
  EnvFileConfig,
  EnvironmentConfig,
  ListenConfig,
  NodeServiceConfig,
  RunServiceConfig,
  ServiceConfig,
  ServiceSettings,
  SocketConfig,
  TcpSocketConfig,
  UnixSocketConfig,
} from "./supervisor/config/types.ts";
