import { defineContract, type Contract } from "../../src/wire/contract.ts";

/** The measured call of the wire: a call and an answer of about 32 bytes each. */
export interface Echo {
  add(left: number, right: number): number;
  addLater(left: number, right: number): Promise<number>;
  numbers(count: number): AsyncIterable<number>;
}

export const ECHO: Contract<Echo> = defineContract<Echo>()({
  name: "echo",
  version: 1,
  calls: ["add", "addLater"],
  streams: ["numbers"],
});

/** A raw message has this many bytes. */
export const MESSAGE_BYTES = 32;

export const SECRET = "measured";

/** Raw TLS as the wire has it. */
export const TLS_OPTIONS = {
  minVersion: "TLSv1.3",
  ciphers: "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256",
} as const;
