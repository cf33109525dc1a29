import { scrypt } from "node:crypto";

import { newelError } from "../base/errors.ts";

/**
 * The key material that both sides derive from a shared secret. People choose secrets that can be
 * guessed, and a recorded handshake lets any attacker try offline: scrypt makes each try cost 16
 * MiB and tens of milliseconds.
 */
export interface SecretKey {
  /** Names the key in the handshake; it is not secret. */
  readonly identity: string;
  readonly key: Buffer;
}

const KEY_BYTES = 32;
const COST = { N: 16_384, r: 8, p: 1 } as const;

/**
 * Derives the key of a secret for one name: the same secret gives another key for another name.
 * Takes tens of milliseconds; keep the result if connections are made repeatedly.
 *
 * @throws NEWEL_E_SECRET when the secret is empty
 */
export async function deriveKey(secret: string, name: string): Promise<SecretKey> {
  if (secret === "")
    throw newelError("NEWEL_E_SECRET", { peer: name, why: "the secret given here is empty" });
  return await new Promise((resolve, reject) => {
    scrypt(secret, `newel wire 1 ${name}`, KEY_BYTES, COST, (error, key) => {
      if (error === null) resolve({ identity: `newel/${name}`.slice(0, 120), key });
      else reject(error);
    });
  });
}
