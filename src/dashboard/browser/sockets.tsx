import type { JSX } from "preact";

import { ActButton, Empty, State, Table } from "./parts.tsx";
import { useNow } from "./store.ts";
import { ago } from "./text.ts";
import { View } from "./view.tsx";

/** A held socket, as `newel sockets --json` prints it. */
interface Socket {
  readonly name: string;
  readonly path?: string;
  readonly host?: string;
  readonly port?: number;
  readonly backlog: number;
  readonly waiting?: number;
  readonly later?: boolean;
  readonly refusing?: boolean;
}

/** A singleton with its owner, as `newel owners --json` prints it. */
interface Owner {
  readonly id: string;
  readonly engine: string;
  readonly pid: number;
  readonly epoch: number;
  readonly sinceMs: number;
  readonly calls?: number;
  readonly callsPerSecond?: number;
  readonly connections?: number;
}

/** The listening sockets, and how many connections wait in each. */
export function Sockets(): JSX.Element {
  return (
    <View
      title="Sockets"
      request={{ name: "sockets" }}
      draw={(sockets: readonly Socket[]) =>
        sockets.length === 0 ? (
          <Empty>The kernel holds no socket.</Empty>
        ) : (
          <Table caption="Sockets" head={["Socket", "Address", "Waiting connections", "State"]}>
            {sockets.map((socket) => (
              <tr key={socket.name} class={socket.refusing === true ? "off" : ""}>
                <th scope="row">{socket.name}</th>
                <td class="mono">{addressOf(socket)}</td>
                <td class="number">
                  {socket.waiting ?? "?"}/{socket.backlog}
                  {socket.waiting !== undefined && (
                    <meter
                      aria-label={`Accept queue of ${socket.name}`}
                      max={socket.backlog}
                      high={socket.backlog * 0.75}
                      value={socket.waiting}
                    />
                  )}
                </td>
                <td>
                  <State of={stateOf(socket)} />
                </td>
              </tr>
            ))}
          </Table>
        )
      }
    />
  );
}

function addressOf({ path, host = "", port = 0 }: Socket): string {
  return path ?? `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function stateOf({ later, host, refusing }: Socket): string {
  if (refusing === true) return "refusing";
  return later === true && host === undefined ? "unbound" : "bound";
}

/** The singletons of the home with their owners. */
export function Singletons(): JSX.Element {
  const now = useNow();
  return (
    <View
      title="Singletons"
      request={{ name: "singletons" }}
      draw={(owners: readonly Owner[]) =>
        owners.length === 0 ? (
          <Empty>No singleton has an owner here.</Empty>
        ) : (
          <Table
            caption="Singletons"
            head={[
              "Singleton",
              "Owner",
              "Epoch",
              "Since",
              "Calls a second",
              "Calls",
              "Clients",
              "By",
              "",
            ]}
          >
            {owners.map(({ id, pid, epoch, sinceMs, engine, ...info }) => (
              <tr key={id}>
                <th scope="row">{id}</th>
                <td class="number">pid {pid}</td>
                <td class="number">{epoch}</td>
                <td class="number">{ago(sinceMs, now)}</td>
                <td class="number">{info.callsPerSecond?.toFixed(1) ?? "?"}</td>
                <td class="number">{info.calls ?? ""}</td>
                <td class="number">{info.connections ?? ""}</td>
                <td>{engine}</td>
                <td>
                  <ActButton
                    request={{ verb: "release", id }}
                    label="Release"
                    name={`Release ${id}`}
                    small
                  />
                </td>
              </tr>
            ))}
          </Table>
        )
      }
    />
  );
}
