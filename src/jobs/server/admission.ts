import type { Job } from "bullmq";

import { newelError } from "../../base/errors.ts";
import { toRunError } from "../failure.ts";
import { formatRunId } from "../names.ts";
import type { JobFacts } from "../runner/protocol.ts";
import { claimKey, keyId } from "../store/keys.ts";
import type { Queues } from "../store/queues.ts";
import { fromStored, isStored } from "../stored.ts";
import type { Cancels } from "./cancels.ts";
import { cancelledReason, type End, failure, finalError } from "./ends.ts";
import type { Unserved } from "./unserved.ts";

/** How long a run waits when another run has its key, in milliseconds. */
const KEY_TAKEN_MS = 2_000;

export interface AdmissionOptions {
  readonly queues: Queues;
  readonly cancels: Pick<Cancels, "has">;
  readonly unserved: Unserved;
  readonly definitions: ReadonlyMap<string, JobFacts>;
}

/** Decides whether a taken job may be executed on this server now. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** @returns the definition, or the outcome of the job without an execution */
  async admit(job: Job, token: string): Promise<JobFacts | End> {
    const run = formatRunId(job.queueName, job.id ?? "");
    if (await this.#options.cancels.has(run))
      return failure(finalError(toRunError(cancelledReason(run))));
    const facts = this.#options.definitions.get(job.name);
    if (facts === undefined) return this.leave(job, token, undefined);
    return (await this.#withChildren(job, token)) ?? (await this.#withKey(job, token)) ?? facts;
  }

  /** Leaves a run to other servers, without an attempt. @param why - the input error; default: no definition */
  leave(job: Job, token: string, why: string | undefined): End {
    const { unserved } = this.#options;
    unserved.note(job, why);
    const waitMs = unserved.waitMs(job);
    unserved.left(job.queueName, Date.now() + waitMs);
    return later(job, token, waitMs);
  }

  /** Checks the children of a parent, because a retried parent may have unfinished ones. */
  async #withChildren(job: Job, token: string): Promise<End | undefined> {
    // BullMQ itself does not mark parents.
    if (isStored(job.data) && fromStored(job.data).waits !== true) return undefined;
    const counts = await job.getDependenciesCount({ unprocessed: true, failed: true });
    if ((counts.failed ?? 0) > 0) {
      const children = newelError("NEWEL_E_JOB_CHILDREN", { job: job.name });
      return failure(finalError(toRunError(children)));
    }
    if ((counts.unprocessed ?? 0) === 0) return undefined;
    return {
      kind: "parked",
      park: async () => {
        // If the last child is done by now, the job is taken again at once.
        if (!(await job.moveToWaitingChildren(token))) await job.moveToWait(token);
      },
    };
  }

  /** Gives a run of a schedule its key; while another run has the key, the run waits. */
  async #withKey(job: Job, token: string): Promise<End | undefined> {
    const stored = fromStored(job.data);
    if (job.repeatJobKey === undefined || stored.key === undefined) return undefined;
    const key = keyId(job.name, stored, stored.key);
    const { queues } = this.#options;
    const holder = await claimKey(queues, { queue: job.queueName, id: job.id ?? "", key });
    return holder === undefined ? undefined : later(job, token, KEY_TAKEN_MS);
  }
}

function later(job: Job, token: string, waitMs: number): End {
  return { kind: "parked", park: () => job.moveToDelayed(Date.now() + waitMs, token) };
}
