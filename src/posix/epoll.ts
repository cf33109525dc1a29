import { checked, libc, syscallError } from "./libc.ts";

const epollCreate = libc("int epoll_create1(int flags)");
const epollControl = libc("int epoll_ctl(int epoll, int operation, int fd, void *event)");
const epollWait = libc("int epoll_wait(int epoll, void *events, int count, int timeoutMs)");
const eventfd = libc("int eventfd(uint32_t initial, int flags)");
const write = libc("int64_t write(int fd, void *data, size_t length)");
const closeCall = libc("int close(int fd)");

const EPOLL_CLOEXEC = 0o2000000;
const EFD_CLOEXEC_NONBLOCK = 0o2004000;
const ADD = 1;
const REMOVE = 2;
const MODIFY = 3;
const EPOLLIN = 0x001;
const EPOLLONESHOT = 1 << 30;
const EINTR = 4;
/** struct epoll_event is packed on x86-64 alone. */
const EVENT_BYTES = process.arch === "x64" ? 12 : 16;
const DATA_OFFSET = process.arch === "x64" ? 4 : 8;
const BATCH = 64;

/**
 * Waits for many descriptors on one thread of the pool, never on the main loop. Each descriptor is reported
 * once, and then not again until it is armed.
 */
export class Epoll {
  readonly #epoll: number;
  readonly #wake: number;
  #open = true;

  constructor() {
    this.#epoll = checked(epollCreate(EPOLL_CLOEXEC), "epoll_create1");
    this.#wake = checked(eventfd(0, EFD_CLOEXEC_NONBLOCK), "eventfd");
    this.#control(ADD, this.#wake, EPOLLIN);
    // A thread that waits for ever would prevent the end of the process.
    process.once("exit", this.#wakeUp);
  }

  /** Watches a descriptor until it is readable, ended or in error. */
  add(fd: number): void {
    this.#control(ADD, fd, EPOLLIN | EPOLLONESHOT);
  }

  /** Watches a descriptor again after it was reported. */
  arm(fd: number): void {
    this.#control(MODIFY, fd, EPOLLIN | EPOLLONESHOT);
  }

  /** Stops watching; call it before the descriptor is closed. */
  remove(fd: number): void {
    this.#control(REMOVE, fd, 0);
  }

  /** Waits for the next descriptors; an empty list when {@link close} ended the wait. */
  async wait(): Promise<readonly number[]> {
    const events = Buffer.alloc(EVENT_BYTES * BATCH);
    while (this.#open) {
      const { result, errno } = await epollWait.blocking(this.#epoll, events, BATCH, -1);
      if (result < 0 && errno !== EINTR) throw syscallError("epoll_wait", errno);
      const ready: number[] = [];
      for (let index = 0; index < result; index += 1) {
        const fd = events.readInt32LE(index * EVENT_BYTES + DATA_OFFSET);
        if (fd !== this.#wake) ready.push(fd);
      }
      if (ready.length > 0) return ready;
    }
    closeCall(this.#epoll);
    closeCall(this.#wake);
    return [];
  }

  /** Ends the wait; the waiting call closes the descriptors. */
  close(): void {
    if (!this.#open) return;
    process.removeListener("exit", this.#wakeUp);
    this.#open = false;
    this.#wakeUp();
  }

  readonly #wakeUp = (): void => {
    const one = Buffer.alloc(8);
    one.writeBigInt64LE(1n);
    checked(write(this.#wake, one, 8), "write(eventfd)");
  };

  #control(operation: number, fd: number, events: number): void {
    const event = Buffer.alloc(EVENT_BYTES);
    event.writeUInt32LE(events, 0);
    event.writeInt32LE(fd, DATA_OFFSET);
    checked(epollControl(this.#epoll, operation, fd, event), "epoll_ctl");
  }
}
