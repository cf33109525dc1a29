export { isNewelError, NewelError } from "./base/errors.ts";
export type { ErrorCode } from "./base/error-codes.ts";
export type { Duration, Size } from "./base/units.ts";
export { defineConfig } from "./supervisor/config/define.ts";
export type {
  Config,
  DependencyCondition,
  EnvFileConfig,
  EnvironmentConfig,
  HttpReadyConfig,
  ListenConfig,
  LogReadyConfig,
  LogsConfig,
  NodeServiceConfig,
  NotifyReadyConfig,
  ReadyConfig,
  ReadyTiming,
  ReloadConfig,
  RestartConfig,
  RestartPolicy,
  RunServiceConfig,
  ServiceConfig,
  ServiceSettings,
  SocketConfig,
  StopConfig,
  TcpReadyConfig,
  TcpSocketConfig,
  UnixSocketConfig,
} from "./supervisor/config/types.ts";
