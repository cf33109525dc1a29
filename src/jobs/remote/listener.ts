import { newelError } from "../../base/errors.ts";
import { callContext } from "../../wire/context.ts";
import { serveTcp, type TcpServer } from "../../wire/tcp.ts";
import type { FlowRequest, JobsAccess, RunEvent } from "../api.ts";
import { checkJson } from "../json.ts";
import type { RemoteAddress } from "./address.ts";
import { JOBS_CONTRACT, type RemoteJobsApi } from "./contract.ts";
import { read } from "./requests.ts";

export interface ListenOptions {
  /** Whether this server runs jobs of a name; a run of an unknown job is refused at once. */
  readonly knows: (name: string) => boolean;
  /** The largest size of an input as JSON, in bytes. */
  readonly payloadBytes: number;
  /** Called for each connection that was refused or broke the protocol. */
  readonly onRefused: (error: Error, peer: string) => void;
}

/**
 * Listens for programs on other machines that enqueue and follow runs: TLS 1.3 with the auth key as pre-shared
 * key, no certificates.
 *
 * @param address - port 0 lets the operating system choose
 * @throws NEWEL_E_ADDRESS_IN_USE
 */
export function listenForJobs(
  { host, port, authKey }: RemoteAddress,
  access: JobsAccess,
  options: ListenOptions,
): Promise<TcpServer> {
  const api = new RemoteJobs(access, options);
  return serveTcp({ host, port, secret: authKey }, JOBS_CONTRACT, api, {
    onRefused: options.onRefused,
    limits: { maxFrameBytes: options.payloadBytes + ENVELOPE_BYTES },
  });
}

/** The fields of a run other than its input. */
const ENVELOPE_BYTES = 65_536;

/** All arguments are parsed again here, because remote callers may not keep to the types. */
class RemoteJobs implements RemoteJobsApi {
  readonly #access: JobsAccess;
  readonly #options: ListenOptions;

  constructor(access: JobsAccess, options: ListenOptions) {
    this.#access = access;
    this.#options = options;
  }

  enqueue: RemoteJobsApi["enqueue"] = async (request) => {
    const run = read.run(request);
    this.#check(run);
    return this.#access.enqueue(run);
  };

  get: RemoteJobsApi["get"] = async (id, scope) =>
    (await this.#access.get(read.id(id), read.scope(scope))) ?? null;

  list: RemoteJobsApi["list"] = async (filter) => this.#access.list(read.filter(filter));

  cancel: RemoteJobsApi["cancel"] = async (id, scope) =>
    (await this.#access.cancel(read.id(id), read.scope(scope))) ?? null;

  retry: RemoteJobsApi["retry"] = async (id, scope) =>
    (await this.#access.retry(read.id(id), read.scope(scope))) ?? null;

  logs: RemoteJobsApi["logs"] = async (id, scope) =>
    this.#access.logs(read.id(id), read.scope(scope));

  stats: RemoteJobsApi["stats"] = () => this.#access.stats();

  pause: RemoteJobsApi["pause"] = async (queue) => this.#access.pause(read.queue(queue));

  resume: RemoteJobsApi["resume"] = async (queue) => this.#access.resume(read.queue(queue));

  drain: RemoteJobsApi["drain"] = async (queue, delayed) =>
    this.#access.drain(read.queue(queue), { delayed: read.flag(delayed) });

  schedule: RemoteJobsApi["schedule"] = async (request) => {
    const schedule = read.schedule(request);
    this.#check(schedule.run);
    return this.#access.schedule(schedule);
  };

  unschedule: RemoteJobsApi["unschedule"] = async (queue, id) =>
    this.#access.unschedule(read.queue(queue), read.queue(id));

  schedules: RemoteJobsApi["schedules"] = () => this.#access.schedules();

  flow: RemoteJobsApi["flow"] = async (request) => {
    const flow = read.flow(request);
    for (const { run } of flatten(flow)) this.#check(run);
    return this.#access.flow(flow);
  };

  async *events(id: string, scope: unknown, after: unknown): AsyncGenerator<RunEvent> {
    const { signal } = callContext();
    const last = read.after(after);
    yield* this.#access.events(read.id(id), {
      ...read.scope(scope),
      ...(last === undefined ? {} : { after: last }),
      signal,
    });
  }

  #check({ name, queue, input }: FlowRequest["run"]): void {
    const { knows, payloadBytes } = this.#options;
    if (!knows(name)) throw newelError("NEWEL_E_JOB_UNKNOWN", { job: name, queue });
    checkJson(input, `The input of ${name}`, payloadBytes);
  }
}

function flatten(request: FlowRequest): FlowRequest[] {
  return [request, ...request.children.flatMap(flatten)];
}
