import { once } from "node:events";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";

const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);

/** Whether this machine has an IPv6 loopback. */
export const hasIpv6: boolean = addresses.some(({ address }) => address === "::1");

/** An IPv4 address of this machine that other machines can reach, if it has one. */
export const outerAddress: string | undefined = addresses.find(
  ({ family, internal }) => family === "IPv4" && !internal,
)?.address;

/** Addresses of this machine at which a server may be reached. */
export const everyAddress: readonly string[] = [
  "127.0.0.1",
  "127.0.0.2",
  ...(hasIpv6 ? ["::1"] : []),
  ...(outerAddress === undefined ? [] : [outerAddress]),
];

/** The addresses at which connections to a port are accepted. */
export async function reachable(port: number): Promise<readonly string[]> {
  const answers = await Promise.all(
    everyAddress.map(async (host) => {
      const socket = connect(port, host);
      try {
        await once(socket, "connect");
        return [host];
      } catch {
        // Refused: the address is not reachable.
        return [];
      } finally {
        socket.destroy();
      }
    }),
  );
  return answers.flat();
}
