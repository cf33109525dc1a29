import type { BackendFactory, IQueueBackend } from "bullmq";

import type { StoreKind } from "./url.ts";

/** What BullMQ's classes are told of a store. */
export interface Backend {
  readonly kind: StoreKind;
  readonly url: string;
  /** For queues, which share it. */
  readonly connection: unknown;
  /** For what waits on the store by itself, workers and readers of events: each opens one of its own. */
  readonly blocking: unknown;
  readonly factory: BackendFactory<IQueueBackend, never>;
  /** Ends the shared connection; what uses it is closed before. */
  close(): Promise<void>;
}
