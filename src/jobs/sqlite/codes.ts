/**
 * The error codes that an operation returns instead of a result: BullMQ's own, by its names. Its enum is not
 * imported, since that would load all of BullMQ into the store thread; a test holds the two together.
 */
export const CODE = {
  jobNotExist: -1,
  jobLockNotExist: -2,
  jobNotInState: -3,
  jobPendingChildren: -4,
  parentJobNotExist: -5,
  jobLockMismatch: -6,
  parentJobCannotBeReplaced: -7,
  jobBelongsToJobScheduler: -8,
  jobHasFailedChildren: -9,
  schedulerJobIdCollision: -10,
  schedulerJobSlotsBusy: -11,
} as const;
