import type { LineTransport } from "./lines.ts";

/** As much of the peers as is used here: their packages need not be there to compile this. */

type Add = (left: number, right: number) => unknown;

export interface CapnWeb {
  readonly RpcTarget: new () => object;
  readonly RpcSession: new (
    transport: LineTransport,
    local?: object,
  ) => { getRemoteMain(): { readonly add: Add } };
}

export interface Birpc {
  createBirpc(
    functions: object,
    channel: {
      readonly post: (message: unknown) => void;
      readonly on: (take: (message: unknown) => void) => void;
      readonly timeout?: number;
    },
  ): { readonly add: Add };
}

export interface Comlink {
  expose(object: object, endpoint: unknown): void;
  wrap(endpoint: unknown): { readonly add: Add };
}

export interface Grpc {
  readonly Server: new () => {
    addService(definition: object, handlers: object): void;
    bindAsync(address: string, credentials: unknown, done: (error: Error | null) => void): void;
  };
  readonly ServerCredentials: { createInsecure(): unknown };
  readonly credentials: { createInsecure(): unknown };
  makeGenericClientConstructor(
    definition: object,
    name: string,
  ): new (
    address: string,
    credentials: unknown,
  ) => {
    Add(
      request: readonly number[],
      done: (error: Error | null, answer: number | undefined) => void,
    ): void;
    close(): void;
  };
}

const write = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const read = (bytes: Buffer): unknown => JSON.parse(bytes.toString());

export const GRPC_SERVICE: object = {
  Add: {
    path: "/echo/Add",
    requestStream: false,
    responseStream: false,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  },
};
