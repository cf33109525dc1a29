/**
 * The tables, as migrations from one version of the schema to the next. A released migration is never
 * changed; `PRAGMA user_version` counts the migrations that a file has had.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE queue (
    key INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- counters, all for this queue: the last job id and priority number given; the free places before
    -- the first and after the last waiting job; events kept and the last event number
    last_id INTEGER NOT NULL DEFAULT 0,
    last_priority INTEGER NOT NULL DEFAULT 0,
    head INTEGER NOT NULL DEFAULT 0,
    tail INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    last_event INTEGER NOT NULL DEFAULT 0,
    -- jobs in each state, in the order of states.ts, as JSON; settings, as JSON
    counts TEXT NOT NULL DEFAULT '[0,0,0,0,0,0,0]',
    meta TEXT NOT NULL DEFAULT '{}',
    limiter_count INTEGER NOT NULL DEFAULT 0,
    limiter_until INTEGER NOT NULL DEFAULT 0,
    stalled_check INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  CREATE TABLE job (
    key INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    state INTEGER NOT NULL,
    -- the order within a state: place in line, priority and number, time due, time finished
    score INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- NULL: too large to be written again with each change of state, kept in table payload
    data TEXT,
    opts TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    delay INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL DEFAULT 0,
    attempts_made INTEGER NOT NULL DEFAULT 0,
    attempts_started INTEGER NOT NULL DEFAULT 0,
    stalled INTEGER NOT NULL DEFAULT 0,
    processed_at INTEGER,
    finished_at INTEGER,
    progress TEXT,
    returnvalue TEXT,
    failed_reason TEXT,
    stacktrace TEXT,
    parent_key TEXT,
    parent TEXT,
    scheduler TEXT,
    deduplication TEXT,
    deferred_failure TEXT,
    worker TEXT,
    -- the lock of an active job, the process that holds it, and how often it may stall
    token TEXT,
    locked_until INTEGER,
    owner INTEGER,
    stall_limit INTEGER,
    stall_mark INTEGER NOT NULL DEFAULT 0,
    -- children that keep it from completing: not finished, or failed with failParentOnFailure
    blockers INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE UNIQUE INDEX job_id ON job (queue, id);
  CREATE INDEX job_state ON job (queue, state, score);

  CREATE TABLE payload (job INTEGER PRIMARY KEY, data TEXT NOT NULL) STRICT;

  -- what became of a parent's children; kind: states.ts
  CREATE TABLE dependency (
    parent INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    kind INTEGER NOT NULL,
    value TEXT,
    PRIMARY KEY (parent, queue, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE log (
    job INTEGER NOT NULL,
    number INTEGER NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (job, number)
  ) STRICT, WITHOUT ROWID;

  -- the events of one transaction in few rows: a JSON list of lists; ids are number-first and up
  CREATE TABLE event (
    key INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    number INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    body TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX event_id ON event (queue, number, first);

  CREATE TABLE deduplication (
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    job TEXT NOT NULL,
    until INTEGER,
    -- the job to add when the active one is done, as JSON
    next TEXT,
    PRIMARY KEY (queue, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE scheduler (
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    next INTEGER NOT NULL,
    iterations INTEGER NOT NULL DEFAULT 1,
    -- name, pattern, every, offset, tz, limit, startDate, endDate, data and opts, as JSON
    fields TEXT NOT NULL,
    PRIMARY KEY (queue, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE metric (
    queue INTEGER NOT NULL,
    type TEXT NOT NULL,
    count INTEGER NOT NULL DEFAULT 0,
    last_at INTEGER,
    last_count INTEGER NOT NULL DEFAULT 0,
    points TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (queue, type)
  ) STRICT, WITHOUT ROWID;

  -- processes that have the file open, and the connections they named
  CREATE TABLE owner (key INTEGER PRIMARY KEY AUTOINCREMENT, file TEXT NOT NULL, pid INTEGER NOT NULL, since INTEGER NOT NULL) STRICT;
  CREATE TABLE client (
    owner INTEGER NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (owner, number)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- whose run it is, for jobs whose data says so (job-rows.ts)
  ALTER TABLE job ADD COLUMN whose TEXT;
  CREATE INDEX job_whose ON job (whose) WHERE whose IS NOT NULL;
  `,
  `
  -- each transaction writes events: one page for them in place of two
  CREATE TABLE events (
    queue INTEGER NOT NULL,
    number INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (queue, number, first)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO events SELECT queue, number, first, count, body FROM event;
  DROP TABLE event;
  ALTER TABLE events RENAME TO event;
  `,
  `
  -- locks are judged by the clock of lock-clock.ts instead of the wall clock: locked_until and stalled_check hold
  -- for one run of the system
  CREATE TABLE system (boot TEXT NOT NULL) STRICT;
  INSERT INTO system VALUES ('');
  UPDATE job SET locked_until = 0 WHERE locked_until IS NOT NULL;
  UPDATE queue SET stalled_check = 0;
  `,
  `
  -- which WAL the file belongs to (wal-pair.ts)
  ALTER TABLE system ADD COLUMN session TEXT NOT NULL DEFAULT '';
  `,
  `
  -- windows of rate limits and deduplications are judged by a clock without steps (boot.ts): their ends are
  -- times of lock-clock.ts plus this base
  ALTER TABLE system ADD COLUMN span_base INTEGER;
  `,
];
