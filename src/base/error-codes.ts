/**
 * The one code table. Every error newel raises on purpose has a row here: what failed and why
 * (`text`, with `{parameters}`), and what to do about it (`fix`). docs/errors.md lists the same
 * codes; test/base/errors.test.ts holds the two together. A retired code is never used again.
 */
export const ERROR_CODES = {
  // General
  NEWEL_E_INTERNAL: {
    text: "newel met a state it does not know: {what}.",
    fix: "This is a bug of newel. Please report it with the lines above.",
  },
  NEWEL_E_USAGE: {
    text: "{what}",
    fix: "Run `newel help` for the commands, `newel help COMMAND` for one.",
  },
  NEWEL_E_DURATION: {
    text: "{what} is {value}, which is not a duration.",
    fix: 'Write a number with a unit: "500ms", "10s", "2m", "1h" or "3d".',
  },
  NEWEL_E_SIZE: {
    text: "{what} is {value}, which is not a size.",
    fix: 'Write a number with a unit: "64kB", "512MB" or "1GB".',
  },
  NEWEL_E_NAME: {
    text: "{what} {value} is not a usable name: {why}.",
    fix: 'Use 1 to 200 characters without spaces or control characters; not starting with "-" or "{".',
  },
  NEWEL_E_NODE_TOO_OLD: {
    text: "newel needs Node.js 24 or newer; this is {version}.",
    fix: 'Install a newer Node.js, or run it through npm in a project that has the "node" package as a dependency.',
  },
  NEWEL_E_PLATFORM: {
    text: "{what} needs Linux; this is {platform}.",
    fix: "Run the kernel and the supervisor on Linux; bus, pool and jobs work elsewhere.",
  },

  // Operating system
  NEWEL_E_SYSCALL: {
    text: "{call} failed: {errno} ({why}){about}.",
    fix: "The operating system refused the call; the reason above is its own.",
  },

  // Wire
  NEWEL_E_FRAME: {
    text: "The peer sent bytes that are no frame of this protocol: {why}.",
    fix: "The connection was closed. Check that both ends run the same newel version.",
  },
  NEWEL_E_VERSION_SKEW: {
    text: "The peer speaks protocol version {theirs}, this side speaks {ours}.",
    fix: "Run the same newel version on both sides; `newel upgrade` moves the daemons of a home to the version that calls it.",
  },
  NEWEL_E_LIMIT: {
    text: "A limit was passed: {what} is at most {limit} {unit}.",
    fix: "Send less at once, or raise the limit by its option.",
  },
  NEWEL_E_NO_METHOD: {
    text: "The peer has no method {method}.",
    fix: "Check the name; only methods of the shared contract can be called.",
  },
  NEWEL_E_CONNECTION_LOST: {
    text: "The connection to {peer} ended before the answer came.",
    fix: "The call may or may not have run. Ask for the state before doing it again.",
  },
  NEWEL_E_DEADLINE: {
    text: "{what} did not finish within {limitMs} ms.",
    fix: "Give it more time, or find out what it waits for.",
  },
  NEWEL_E_CANCELLED: {
    text: "{what} was cancelled.",
    fix: "Nothing to do: the caller asked for it.",
  },
  NEWEL_E_REMOTE: {
    text: "The peer failed: {message}",
    fix: "The cause carries what the peer said.",
  },
  NEWEL_E_UNREACHABLE: {
    text: "Nobody answers at {path}: {why}.",
    fix: "Check that the program which serves it runs, as the same user.",
  },
  NEWEL_E_CLOSED: {
    text: "The connection to {peer} takes no calls: {why}.",
    fix: "The call was not made. Connect again and repeat it.",
  },
  NEWEL_E_NOT_SENDABLE: {
    text: "The value cannot be sent: it has {what}, and {why}.",
    fix: "Send plain data, binary data, Date, Map, Set, errors or functions.",
  },
  NEWEL_E_CONTRACT: {
    text: "The method {method} does not fit its contract: {why}.",
    fix: "Fix the contract or its implementation.",
  },
  NEWEL_E_SECRET: {
    text: "The peer at {peer} could not prove that it knows the shared secret: {why}.",
    fix: "Give both sides the same secret, and let both use it.",
  },

  // Pool
  NEWEL_E_POOL_OPTION: {
    text: "The pool option {option} is {value}: {why}.",
    fix: "See the options in docs/guide/pool.md.",
  },
  NEWEL_E_POOL_CLOSED: {
    text: "The pool {pool} takes no tasks: it is {state}.",
    fix: "Hand tasks over before `stop()` or `close()`.",
  },
  NEWEL_E_POOL_FULL: {
    text: "The queues of the pool {pool} are full: {waiting} tasks wait.",
    fix: "Wait with `await pool.put(task)`, use `run()`, or raise queueSize.",
  },
  NEWEL_E_POOL_NO_WORKER: {
    text: "The pool {pool} has no worker {worker}.",
    fix: "Workers are numbered from 0; `pool.stats().workers` lists them.",
  },
  NEWEL_E_POOL_WORKER_LOST: {
    text: "Worker {worker} (pid {pid}) ended with the task in its hands: {how}.",
    fix: "The task may have run in part. Declare `retries` for tasks that may run again.",
  },
  NEWEL_E_POOL_WORKER_START: {
    text: "Worker {worker} of the pool {pool} could not start: {why}.",
    fix: "Run the worker module by itself to see more; its default export comes from `defineWorker` or extends `Worker`.",
  },
  NEWEL_E_POOL_STUCK: {
    text: "The task was still running {graceMs} ms after the pool {pool} was closed, and was ended.",
    fix: "Give `close()` a longer graceMs, or let the task listen to `ctx.signal`.",
  },
  NEWEL_E_POOL_MEMORY: {
    text: "Worker {worker} and what it started had {usedBytes} bytes of memory, more than the {limitBytes} of the task, and was killed.",
    fix: "Raise `memoryBytes`, or let the task work in smaller pieces.",
  },
  NEWEL_E_POOL_NO_ANSWER: {
    text: "Nobody answers the question: {why}.",
    fix: "Give `run()` an `onAsk`, and ask while the task runs.",
  },
  NEWEL_E_POOL_GUARD: {
    text: "The pool {pool} has no guard: {why}. What its workers start outlives this program if that is killed.",
    fix: "Provide a POSIX shell as /bin/sh, or do without `processGroup`.",
  },

  // Bus
  NEWEL_E_BUS_TRANSITION: {
    text: "The bus cannot {event} while it is {state}.",
    fix: "See the state table in docs/guide/bus.md.",
  },
  NEWEL_E_BUS_LISTENERS: {
    text: '{count} listener(s) of the channel "{channel}" failed: {first}',
    fix: "Every listener ran; each failure is in `errors`.",
  },
  NEWEL_E_BUS_TIMEOUT: {
    text: 'The listener {listener} of the channel "{channel}" did not finish within {limitMs} ms.',
    fix: "Raise its timeoutMs, or find out what it waits for.",
  },
  NEWEL_E_BUS_NO_RESTART: {
    text: "This bus cannot restart its program: no plugin does it.",
    fix: "Add the restart plugin: `reexec(bus)`.",
  },
  NEWEL_E_BUS_RESTART_REFUSED: {
    text: "The program was not restarted: {why}.",
    fix: "It continues as it was. Fix the cause and restart again.",
  },
  NEWEL_E_BUS_PIDFILE: {
    text: "The pidfile {path} belongs to {holder}.",
    fix: "Stop that process first, or use another pidfile.",
  },
  NEWEL_E_BUS_PRIVILEGES: {
    text: "The privileges could not be dropped to the user {user}: {why}.",
    fix: "Check the user and group, and start the program as root or as that user.",
  },
  NEWEL_E_BUS_CHILD: {
    text: "The child process {name} did not start: {why}.",
    fix: "What it wrote to stderr stands above; run its module by itself to see more.",
  },
  NEWEL_E_BUS_SIGNAL: {
    text: "There is no signal {signal} on this platform.",
    fix: "Use a name or number of `kill -l`: SIGTERM, SIGHUP, SIGUSR2.",
  },

  // Kernel
  NEWEL_E_HOME_PATH: {
    text: "The socket path {path} is {length} bytes long; Unix allows 107.",
    fix: "Set NEWEL_HOME to a shorter directory.",
  },
  NEWEL_E_HOME_ACCESS: {
    text: "The home directory {home} cannot be used: {why}.",
    fix: "Give it to the user that runs newel (mode 0700), or set NEWEL_HOME to another directory.",
  },
  NEWEL_E_RUNTIME_COPY: {
    text: "The programs of the daemons could not be copied to {path}: {why}.",
    fix: "Make room there or make it writable, or set NEWEL_HOME to another directory; nothing was started.",
  },
  NEWEL_E_RUNTIME_NOEXEC: {
    text: "The daemons run from {path}, which is on a file system that is mounted noexec.",
    fix: "Mount it without noexec, or set NEWEL_HOME to a directory on another file system.",
  },
  NEWEL_E_OLDER_CALLER: {
    text: "This newel is {ours}, older than the {theirs} that {home} runs: nothing was changed.",
    fix: "Use newel {theirs} or newer here (`npm install newel@{theirs}`). To go back to {ours} on purpose, run `newel upgrade --downgrade`.",
  },
  NEWEL_E_KERNEL_RUNNING: {
    text: "A kernel already serves {home}{holder}.",
    fix: "Use that one, or set NEWEL_HOME to run a second kernel.",
  },
  NEWEL_E_KERNEL_UNREACHABLE: {
    text: "No kernel answers at {path}: {why}.",
    fix: "Start one with `newel kernel --detach`, or let `newel up` do it.",
  },
  NEWEL_E_COMMAND: { text: "{what}", fix: "Send `help` for the commands." },
  NEWEL_E_NOT_FOUND: { text: "{name} not found", fix: "List what there is: `list {noun}`." },
  NEWEL_E_EXISTS: {
    text: "{noun} {name} exists with other settings: {existing}",
    fix: "Remove it first, or use another name.",
  },
  NEWEL_E_BAD_REQUEST: {
    text: "The request is not usable: {why}.",
    fix: "See docs/reference/kernel-protocol.md.",
  },
  NEWEL_E_BAD_COMMAND: {
    text: "Bad command - {command}: {why}",
    fix: "Check the spelling, that the file exists and that it is executable.",
  },
  NEWEL_E_BAD_WORKING_DIR: {
    text: "Bad working_dir - {path}: {why}",
    fix: "Check that the directory exists and may be entered.",
  },
  NEWEL_E_NOT_ROOT: {
    text: "A process cannot be started as {who}: the kernel runs as uid {own}.",
    fix: "Leave uid and gid out, or run the kernel as root.",
  },
  NEWEL_E_SOCKET_SERVED: {
    text: "The socket {name} cannot refuse its clients: {processes} running processes were given it.",
    fix: "Stop those processes first; `newel ps` and `list processes` show them.",
  },
  NEWEL_E_SOCKET_MISSING: {
    text: "Socket {name} not found",
    fix: "Make the socket before the process that uses it.",
  },
  NEWEL_E_ADDRESS_IN_USE: {
    text: "The address {address} is in use by another program.",
    fix: "Find it with `ss -ltnp`, stop it, or choose another port.",
  },
  NEWEL_E_PATH_IN_USE: {
    text: "No socket was made at {path}: there is {what}.",
    fix: "{todo} Nothing was removed.",
  },
  NEWEL_E_PORT_RIGHTS: {
    text: "Port {port} needs rights that newel does not have: this machine keeps ports below {first} for privileged programs.",
    fix: "Use a port from {first} on behind a proxy, or allow it: `sudo sysctl net.ipv4.ip_unprivileged_port_start={port}`, AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or newel run as root.",
  },
  NEWEL_E_DISK_FULL: {
    text: "There is no room to write {path}.",
    fix: "Free space on that file system; newel goes on and counts what it could not keep.",
  },
  NEWEL_E_NOT_KEPT: {
    text: "Nothing was changed, because the change cannot be written to {path}: {why}.",
    fix: "Free space on that file system, or make it writable again, then repeat the command.",
  },
  NEWEL_E_OUTPUT_WRITE: {
    text: "Output of processes cannot be kept: {errno} ({why}).",
    fix: "Repair the file system of the home or raise the limit; newel counts what it drops and tries again.",
  },
  NEWEL_E_UPGRADE_REFUSED: {
    text: "The build {program} cannot take over: {why}.",
    fix: "The running kernel continues. Fix the installation and upgrade again.",
  },
  NEWEL_E_REFUSED_UID: {
    text: "The peer with uid {uid} may not talk to this daemon.",
    fix: "Run the command as the user that owns the home directory.",
  },

  // Singleton
  NEWEL_E_SINGLETON: {
    text: "The singleton {name} cannot be had this way: {why}.",
    fix: "See docs/guide/singleton.md.",
  },
  NEWEL_E_OWNER_LOST: {
    text: "The owner of {name} ended before the answer of {method} came.",
    fix: "The call may or may not have run. Ask for the state before calling again, or declare the method idempotent.",
  },
  NEWEL_E_NO_OWNER: {
    text: "Nobody who owns {name} answered within {limitMs} ms: {why}.",
    fix: "`newel owners` shows who owns what; `newel owners release NAME --force` takes it from a process that hangs.",
  },
  NEWEL_E_NO_SINGLETON: {
    text: "Nobody owns a singleton {name}.",
    fix: "`newel owners` lists those of this home.",
  },
  NEWEL_E_SUPERSEDED: {
    text: "{name} is not owned with the number {epoch} any more.",
    fix: "Another process owns it now, or nobody. What was to be written was not.",
  },
  NEWEL_E_SINGLETON_HOST: {
    text: "The process that was to own {name} did not start: {why}.",
    fix: "Its last lines stand there; run its module by itself to see more.",
  },
  NEWEL_E_SINGLETON_STATE: {
    text: "The state of {name} cannot be kept: {why}.",
    fix: "Let save() give what JSON can carry, at most 4 MB of it.",
  },

  // Configuration
  NEWEL_E_CONFIG: {
    text: "{problems}",
    fix: "Nothing was changed. Fix the file and run the command again; `newel check` shows the problems without starting anything.",
  },
  NEWEL_E_CONFIG_MISSING: {
    text: "No configuration found: {looked}.",
    fix: "Write a newel.config.ts (see `newel help config`), or name a file with -c FILE.",
  },
  NEWEL_E_CONFIG_STORED: {
    text: "The stored configuration cannot be read: {why}.",
    fix: "Run `newel up` again, with the same newel version as the supervisor.",
  },

  // Apps
  NEWEL_E_APP_NAME_TAKEN: {
    text: "The app name {name} is in use by {file}. The configuration here, {here}, has no name: it would get the name of its directory, {word}.",
    fix: 'Nothing was touched. Write another name into this configuration (name: "shop"), or stop the other app with `newel down --app {name}`.',
  },
  NEWEL_E_APP_UNRELATED: {
    text: "The app {name} runs from {file} and has no service in common with the configuration here, {here}.",
    fix: "Nothing was touched. Give this configuration another name, or replace every service of the app with `newel up --move`.",
  },
  NEWEL_E_APP_ELSEWHERE: {
    text: "The app {name} runs from {file}, not from the configuration here, {here}.",
    fix: "Nothing was touched. `newel up` applies the configuration here (`newel up --plan` shows the changes); with --app {name} the command acts on the app as it runs.",
  },
  NEWEL_E_NOT_UP: {
    text: "{what}.",
    fix: "Nothing was touched. `newel up` starts the app of a configuration; `newel ps` shows what is up.",
  },
  NEWEL_E_NO_REPLICAS: {
    text: "{service} has 0 replicas, so there is none to start.",
    fix: "Nothing was touched. `newel scale {service}=1` starts one.",
  },

  // Supervisor
  NEWEL_E_SUPERVISOR_UNREACHABLE: {
    text: "No supervisor answers at {path}: {why}.",
    fix: "Run `newel up`; its log is {log}.",
  },
  NEWEL_E_SUPERVISOR_HANGS: {
    text: "The supervisor (pid {pid}) does not answer within {waitedMs} ms.{advice}",
    fix: "`kill -KILL {pid} && newel up` replaces it: services run on and are not restarted.",
  },
  NEWEL_E_SUPERVISOR_RUNNING: {
    text: "A supervisor already serves {home}.",
    fix: "Use that one, or set NEWEL_HOME to run a second one beside it.",
  },
  NEWEL_E_NO_SERVICE: {
    text: "There is no service {name}{hint}.",
    fix: "Run `newel ps` to see what there is.",
  },
  NEWEL_E_AMBIGUOUS: {
    text: "{name} stands for more than one service: {matches}.",
    fix: "Write one of them in full.",
  },
  NEWEL_E_NOT_READY: {
    text: "{name} did not get ready: {why}.",
    fix: "`newel logs {service}` shows its output.",
  },
  NEWEL_E_NOT_STOPPED: {
    text: "{name} could not be stopped: {why}. newel tries again.",
    fix: "See `newel ps` for its pid; a process that waits for a disk in state D ends when the disk answers.",
  },
  NEWEL_E_RELOAD_FAILED: {
    text: "The reload of {service} failed: {why}. The old replicas continue to serve.",
    fix: "Fix the code and reload again; `newel logs {service}` shows the output of the new replica.",
  },
  NEWEL_E_DEPENDENCY: {
    text: "{service} was not started: it depends on {dependency}, which failed.",
    fix: "Fix {dependency} first; its error is printed above.",
  },
  NEWEL_E_ADDRESS_TAKEN: {
    text: "{service} cannot listen on {address}: {owner}.",
    fix: "{step}",
  },
  NEWEL_E_CANNOT_START: {
    text: "{service} cannot be started: {why}.",
    fix: "Nothing was changed. Correct the configuration or put the file in its place, then run the command again.",
  },
  NEWEL_E_APP_FILE_USED: {
    text: "{file} already runs as the app {former}, so it cannot also run as {app}.",
    fix: "If {app} replaces it, run `newel down {former}` first; a second app needs a configuration file for itself.",
  },
  NEWEL_E_UP_FAILED: {
    text: "The configuration of {app} was not applied, because {services} failed: {why}. {state}",
    fix: "`newel logs {service}` shows the output. Correct the cause and run `newel up` again.",
  },
  NEWEL_E_NOT_RESTORED: {
    text: "The configuration of {app} was not applied, because {services} failed: {why}. The way back failed too: {back}.",
    fix: "`newel ps` shows the services as they are now. Correct the cause and run `newel up` again.",
  },
  NEWEL_E_DOWN_FAILED: {
    text: "{app} is not down: {services} could not be stopped: {why}.",
    fix: "Its sockets are kept and nothing is started again. Run `newel down {app}` again; `newel ps` shows the rest.",
  },
  NEWEL_E_OPERATION_FAILED: { text: "{what}", fix: "See `newel ps` and `newel logs`." },

  // Jobs
  NEWEL_E_JOB_OPTION: {
    text: "The option {option} of {of} is {value}, which cannot be used.",
    fix: "Write {write}.",
  },
  NEWEL_E_JOB_DEFINED: {
    text: "The job {name} is defined twice: at {other}, and at {place}.",
    fix: "Give one of them another name; runs are found by it.",
  },
  NEWEL_E_JOB_INPUT: {
    text: "The input of {job} does not fit its schema: {problems}.",
    fix: "Nothing was enqueued. Fix the input; dates and the like travel as JSON, so let the schema take their text.",
  },
  NEWEL_E_JOB_VALUE: {
    text: "{what} cannot be kept as JSON: {why}.",
    fix: "Send plain data: objects, lists, texts, numbers, booleans and null.",
  },
  NEWEL_E_JOB_PAYLOAD: {
    text: "{what} is larger than {limit} as JSON.",
    fix: "Put it into a file, a database or an object store and send its name, or raise the limit by the option `payload` of `jobs.use()`.",
  },
  NEWEL_E_JOB_BY: {
    text: "`by` is there, but it is {value}: it says nobody.",
    fix: "Give the id of the user or session whose runs are meant; leave `by` out for everybody's.",
  },
  NEWEL_E_JOB_RETRY: {
    text: "The run {run} cannot be tried again now: it is {state}.",
    fix: "Only a run that failed or was cancelled can; enqueue a new one instead.",
  },
  NEWEL_E_JOBS_STORE: {
    text: 'The store "{url}" cannot be used: {why}.',
    fix: 'Write "sqlite:./data/jobs.db", "redis://host:6379" or "postgres://user@host/database".',
  },
  NEWEL_E_JOBS_NO_STORE: {
    text: "There are no jobs at {path} ({by} says so).",
    fix: "Nothing was made. Run the command where the app is, or name the store with --store URL.",
  },
  NEWEL_E_JOBS_NO_QUEUE: {
    text: "There is no queue {queue}{hint}.",
    fix: "Run `newel jobs stats` to see what there is.",
  },
  NEWEL_E_JOBS_IN_USE: {
    text: "These jobs are already in use with another store.",
    fix: "Call `jobs.use()` before anything else, or make another `new Jobs()` with its own store.",
  },
  NEWEL_E_JOBS_UNREACHABLE: {
    text: "The store {url} does not answer: {why}.",
    fix: "Check that the server runs and may be reached from here.",
  },
  NEWEL_E_JOBS_DRIVER: {
    text: "The store {url} needs the package {driver}, which is not installed.",
    fix: "Install it beside newel: `npm install {driver}`.",
  },
  NEWEL_E_JOB_REQUEST: {
    text: "The job server cannot read the request: {why}.",
    fix: "Run the same version of newel here and there.",
  },

  // Jobs on a file
  NEWEL_E_JOB_FORBIDDEN: {
    text: "The run {id} is somebody else's.",
    fix: "Ask as the one who enqueued it: `by` has to be the same.",
  },
  NEWEL_E_JOB_NO_RUN: {
    text: "There is no run {id}.",
    fix: "It was removed, or its time was over; see `keep` of its job.",
  },
  NEWEL_E_JOBS_CONNECTION: {
    text: "The connection {value} cannot be used: {why}.",
    fix: 'Name a file: "sqlite:./jobs.db".',
  },
  NEWEL_E_JOBS_FILE: {
    text: "The jobs at {path} cannot be reached: {why}.",
    fix: "Nothing of the call was written. Check that the file and its directory are there and writable for this user.",
  },
  NEWEL_E_JOBS_FULL: {
    text: "The disk of {path} is full: nothing of the call was written.",
    fix: "Make room; the next call works again.",
  },
  NEWEL_E_JOBS_GONE: {
    text: "The file {path} was deleted or replaced while it was in use: nothing of the call was written.",
    fix: "What was in it is lost unless there is a backup. The next call opens, or makes, the file at that path.",
  },
  NEWEL_E_JOBS_DAMAGED: {
    text: "The file {path} is damaged: {why}{copy}.",
    fix: "Put a backup in its place, or move the file away to begin with an empty one; `sqlite3 FILE .recover` may save some of it.",
  },
  NEWEL_E_JOBS_NEWER: {
    text: "The file {path} was written by a newer newel: its tables have version {theirs}, this one knows {ours}.",
    fix: "Run the newer newel here too.",
  },
  NEWEL_E_JOBS_BUSY: {
    text: "Another process kept the jobs locked for more than {seconds} s: nothing of the call was written.",
    fix: "Find who has a transaction open on the file: a shell of sqlite3, a backup program.",
  },

  // Job server
  NEWEL_E_JOB_UNKNOWN: {
    text: "No module of this job server defines {job}, which is in the queue {queue}.",
    fix: "Let --modules name the file that defines it, and restart a server whose files have changed.",
  },
  NEWEL_E_JOB_THROWN: {
    text: "The handler of {job} threw {value}, which is no Error.",
    fix: "Throw an Error: it has a message, a stack and may have a code.",
  },
  NEWEL_E_JOB_CANCELLED: {
    text: "The run {run} was cancelled.",
    fix: "Somebody asked for it; `newel jobs retry` lets it wait again.",
  },
  NEWEL_E_JOB_TIMEOUT: {
    text: "{job} was not done within {timeout}, its timeout.",
    fix: "Raise `timeout`, or do less in one run.",
  },
  NEWEL_E_JOB_MEMORY: {
    text: "{job} and what it started had {used} of memory, more than {limit}, and was killed.",
    fix: "Raise `memory`, or work in smaller pieces.",
  },
  NEWEL_E_JOB_WORKER_LOST: {
    text: "The process that ran {job} ended in the middle: {how}.",
    fix: "Look at the output of the job server; native code and process.exit() end a process.",
  },
  NEWEL_E_JOB_SERVER_STOPPING: {
    text: "The job server stops: what does not end within {grace} runs again later.",
    fix: "End early, or go on: the run waits again without having used up an attempt.",
  },
  NEWEL_E_JOBS_MODULE: {
    text: "The module {module} cannot be loaded by the job server: {why}",
    fix: "Fix the module; `node FILE` by itself shows the same.",
  },
  NEWEL_E_JOBS_SETTING: {
    text: 'The setting "{setting}" of the job server {why}.',
    fix: "Give {write}.",
  },
} as const;

/** A code of the table above. */
export type ErrorCode = keyof typeof ERROR_CODES;
