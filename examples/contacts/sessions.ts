import { createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

import { dataPath } from "./data.ts";

const SECRET = secret();

/** The user of this request, by the signed cookie; `undefined` for a new visitor. */
export function sessionUser(cookies: string | undefined): string | undefined {
  const [user, signature] =
    /(?:^|; )session=([\w-]+)\.([\w-]+)/.exec(cookies ?? "")?.slice(1) ?? [];
  if (user === undefined || signature === undefined) return undefined;
  const [ours, theirs] = [Buffer.from(sign(user)), Buffer.from(signature)];
  return ours.length === theirs.length && timingSafeEqual(ours, theirs) ? user : undefined;
}

/** A user without a name, and the cookie that makes it the same one next time. */
export function newSession(): { user: string; cookie: string } {
  const user = randomUUID();
  const cookie = `session=${user}.${sign(user)}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000`;
  return { user, cookie };
}

function sign(user: string): string {
  return createHmac("sha256", SECRET).update(user).digest("base64url");
}

/** Made once, so that a session outlives the process. */
function secret(): string {
  const path = dataPath("session-secret");
  try {
    writeFileSync(path, randomBytes(32).toString("hex"), { flag: "wx", mode: 0o600 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
  return readFileSync(path, "utf8");
}
