import type { Config } from "./types.ts";

/**
 * Declares a configuration and returns it unchanged. Its types let an editor complete settings, and the
 * compiler report an unknown socket, service or setting, or an invalid duration, on its line.
 *
 * ```ts
 * export default defineConfig({
 *   sockets: { web: { port: 3000 } },
 *   services: { web: { node: "src/server.ts", listen: "web", replicas: 2 } },
 * });
 * ```
 */
export function defineConfig<
  const SocketName extends string = never,
  const ServiceName extends string = never,
>(config: Config<SocketName, ServiceName>): Config<SocketName, ServiceName> {
  return config;
}
