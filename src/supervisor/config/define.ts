import type { Config } from "./types.ts";

/**
 * Gives the configuration its types: an editor completes it, and the compiler finds an unknown
 * socket, an unknown service, a bad duration and an unknown key on the line that has it. It returns
 * what it is given.
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
