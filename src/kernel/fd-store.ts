import { closeSync, fstatSync } from "node:fs";

import { newelError } from "../base/errors.ts";
import { duplicate, setCloseOnExec } from "../posix/descriptors.ts";
import { type DatagramSender, openDatagramSender } from "../posix/notify.ts";
import type { Kernel } from "./api.ts";
import { STORED_PREFIX, storedName } from "./stored-names.ts";

/** systemd's protocol: the first passed descriptor. */
const FIRST_PASSED = 3;
/** The longest name systemd stores. */
const NAME_BYTES = 255;

/**
 * Takes the sockets that systemd kept for this process while no kernel ran, by name. They are closed on exec
 * from now on, and the variables that list them are removed from the environment: the next image of this
 * process has the same pid and would read them again.
 */
export function takeStored(
  environment: NodeJS.ProcessEnv = process.env,
): Readonly<Record<string, number>> {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = environment;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete environment[name];
  if (LISTEN_PID !== String(process.pid)) return {};
  const names = (LISTEN_FDNAMES ?? "").split(":").slice(0, Number(LISTEN_FDS));
  const stored: Record<string, number> = {};
  for (const [index, stands] of names.entries()) {
    const fd = FIRST_PASSED + index;
    setCloseOnExec(fd, true);
    const name = decodeName(stands);
    if (name !== undefined && fstatSync(fd).isSocket()) stored[name] = fd;
  }
  return stored;
}

export interface StoreOptions {
  /** The sockets that {@link takeStored} gave this kernel. */
  readonly stored: Readonly<Record<string, number>>;
  readonly failed: (error: unknown) => void;
  /** Default `process.env`. */
  readonly environment?: NodeJS.ProcessEnv;
}

/**
 * Keeps a copy of every listening socket in systemd's fd store, so that a socket which no process holds
 * outlives the kernel too. Without such a store this function has no effect.
 *
 * @returns a function that stops the updates; the stored sockets stay in the store
 */
export function keepStored(kernel: Kernel, options: StoreOptions): () => void {
  const { NOTIFY_SOCKET: path, FDSTORE: room } = options.environment ?? process.env;
  if (path === undefined || path === "" || room === "0") return () => undefined;
  const { store, stop } = openStore(kernel, path, options.failed);
  for (const [name, fd] of Object.entries(options.stored)) {
    if (kernel.sockets.list([name])[0]?.fileno === fd) continue;
    // The kernel that stored this socket did not journal it, or removed it just before it ended.
    closeSync(fd);
    store.forget(name);
  }
  return stop;
}

/**
 * Keeps copies of the sockets in another process of the same user, with systemd's messages: the supervisor
 * passes them to the next kernel as systemd would.
 *
 * @param path - the datagram socket of that process
 * @returns `sent` resolves once every present socket was sent; `stop` ends the updates
 */
export function shareSockets(
  kernel: Kernel,
  path: string,
  failed: (error: unknown) => void,
): { readonly sent: Promise<void>; readonly stop: () => void } {
  const { store, stop } = openStore(kernel, path, failed);
  return { sent: store.idle, stop };
}

function openStore(
  kernel: Kernel,
  path: string,
  failed: (error: unknown) => void,
): { readonly store: Store; readonly stop: () => void } {
  const store = new Store(kernel, openDatagramSender(path), failed);
  for (const { name } of kernel.sockets.list()) store.keep(name);
  const removeHolder = kernel.sockets.addHolder();
  const off = kernel.events.onEvent(({ noun, type, name }) => {
    if (noun !== "socket") return;
    if (type === "made") store.keep(name);
    else if (type === "removed") store.forget(name);
  });
  const stop = (): void => {
    off();
    removeHolder();
    store.close();
  };
  return { store, stop };
}

class Store {
  readonly #kernel: Kernel;
  readonly #sender: DatagramSender;
  readonly #failed: (error: unknown) => void;
  #sending: Promise<void> = Promise.resolve();

  constructor(kernel: Kernel, sender: DatagramSender, failed: (error: unknown) => void) {
    this.#kernel = kernel;
    this.#sender = sender;
    this.#failed = failed;
  }

  keep(name: string): void {
    const fileno = this.#kernel.sockets.list([name])[0]?.fileno;
    const stands = encodeName(name);
    if (fileno === undefined || stands === undefined) return;
    // Sends a duplicate: the socket may be removed before systemd reads the message.
    const fd = duplicate(fileno);
    this.#send(`FDSTORE=1\nFDPOLL=0\nFDNAME=${stands}`, fd);
  }

  forget(name: string): void {
    const stands = encodeName(name);
    if (stands !== undefined) this.#send(`FDSTOREREMOVE=1\nFDNAME=${stands}`);
  }

  /** Resolves when no message is left to be sent. */
  get idle(): Promise<void> {
    return this.#sending;
  }

  close(): void {
    void this.#sending.finally(() => this.#sender.close());
  }

  /** Sends in order: a name may be used again after its removal. */
  #send(message: string, fd?: number): void {
    this.#sending = this.#sending
      .then(async () => {
        const delivered = await this.#sender.deliver(message, fd === undefined ? [] : [fd]);
        if (!delivered)
          throw newelError("NEWEL_E_SYSCALL", {
            call: "sendmsg",
            errno: "EAGAIN",
            why: "it took no message",
            about: ` for ${message.split("\n").at(-1) ?? ""}`,
          });
      })
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        if (fd !== undefined) closeSync(fd);
      });
  }
}

/** The name as systemd allows it; `undefined` when it would be too long. */
function encodeName(name: string): string | undefined {
  const stands = storedName(name);
  return stands.length <= NAME_BYTES ? stands : undefined;
}

function decodeName(stands: string): string | undefined {
  return stands.startsWith(STORED_PREFIX)
    ? decodeURIComponent(stands.slice(STORED_PREFIX.length))
    : undefined;
}
