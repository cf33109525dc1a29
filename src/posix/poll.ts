import { libc } from "./libc.ts";

const pollCall = libc("int poll(void *descriptors, uint64_t count, int timeoutMs)");

const POLLIN = 1;

/** Whether a read of the descriptor would return at once: with data, a client, the end or an error. */
export function isReadable(fd: number): boolean {
  const asked = Buffer.alloc(8);
  asked.writeInt32LE(fd, 0);
  asked.writeInt16LE(POLLIN, 4);
  return pollCall(asked, 1, 0) > 0;
}
