/**
 * The one code table. Every error newel raises on purpose has a row here: what failed and why
 * (`text`, with `{parameters}`), and what to do about it (`fix`). docs/errors.md lists the same
 * codes; test/base/errors.test.ts holds the two together. A retired code is never used again.
 */
export const ERROR_CODES = {
  // General
  NEWEL_E_INTERNAL: {
    text: "newel reached an unexpected state: {what}.",
    fix: "This is a bug in newel. Please report it with this message and its stack (NEWEL_DEBUG=1 prints the stack).",
  },
  NEWEL_E_USAGE: {
    text: "{what}",
    fix: "`newel help` lists the commands, `newel help COMMAND` describes one command.",
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
    text: "newel needs Node.js {oldest} or newer; this is {version}.",
    fix: 'Install a newer Node.js, or run it through npm in a project that has the "node" package as a dependency.',
  },
  NEWEL_E_PLATFORM: {
    text: "{what} needs Linux; this is {platform}.",
    fix: "Run the kernel and the supervisor on Linux; bus, pool and jobs work elsewhere.",
  },

  // Operating system
  NEWEL_E_SYSCALL: {
    text: "{call} failed: {errno} ({why}){about}.",
    fix: "The operating system refused the call and gave the reason above.",
  },
  NEWEL_E_DESCRIPTORS: {
    text: "newel's kernel (pid {pid}) has no file descriptor left for {call} ({errno}): its limit is {limit}.",
    fix: "`prlimit --pid {pid} --nofile=65536` (as root) raises the limit at once. To raise it permanently, run `ulimit -n 65536` before the command that starts newel's kernel, or set LimitNOFILE=65536 in its systemd unit. Each process needs about 5 descriptors, each socket 1.",
  },
  NEWEL_E_OPEN_FILES: {
    text: "The limit of open files (`ulimit -n`) is {limit}, which is too low: {why}.",
    fix: "Raise the limit before you run the command: `ulimit -n 65536` in the shell, LimitNOFILE=65536 in a systemd unit, or `docker run --ulimit nofile=65536`. If the hard limit (`ulimit -Hn`) is lower, only root can raise it.",
  },

  // Wire
  NEWEL_E_FRAME: {
    text: "The other program sent bytes that are no frame of newel's protocol: {why}.",
    fix: "The connection was closed. Check that both programs use the same version of newel.",
  },
  NEWEL_E_VERSION_SKEW: {
    text: "The other program uses protocol version {theirs}, this program uses {ours}.",
    fix: "Use the same version of newel in both programs; `newel upgrade` replaces running daemons by the version of the command.",
  },
  NEWEL_E_LIMIT: {
    text: "A limit was exceeded: {what} is at most {limit} {unit}.",
    fix: "Send less at once, or raise the limit by its option.",
  },
  NEWEL_E_NO_METHOD: {
    text: "The peer has no method {method}.",
    fix: "Check the name. Only methods that both programs declare can be called.",
  },
  NEWEL_E_CONNECTION_LOST: {
    text: "The connection to {peer} ended before the answer came.",
    fix: "The call may or may not have run. Check its effect before you repeat it.",
  },
  NEWEL_E_DEADLINE: {
    text: "{what} did not finish within {limitMs} ms.",
    fix: "Raise the time limit, or find the operation that takes so long.",
  },
  NEWEL_E_CANCELLED: {
    text: "{what} was cancelled.",
    fix: "Nothing to do: the caller asked for it.",
  },
  NEWEL_E_REMOTE: {
    text: "The other program failed: {message}",
    fix: "The error of the other program is the `cause` of this error.",
  },
  NEWEL_E_UNREACHABLE: {
    text: "No process answers at {path}: {why}.",
    fix: "Check that the program that listens on this path runs, and that it runs as the same user.",
  },
  NEWEL_E_CLOSED: {
    text: "The connection to {peer} cannot be used for calls: {why}.",
    fix: "The call was not made. Connect again and repeat it.",
  },
  NEWEL_E_NOT_SENDABLE: {
    text: "The value cannot be sent: {path} is {what}, and {why}.",
    fix: "Send its content as plain data; docs/reference/values.md lists the values that can be sent.",
  },
  NEWEL_E_CONTRACT: {
    text: "The method {method} does not fit its contract: {why}.",
    fix: "Fix the contract or its implementation.",
  },
  NEWEL_E_SECRET: {
    text: "The program at {peer} could not prove that it knows the shared secret: {why}.",
    fix: "Set the same secret in both programs.",
  },

  // Pool
  NEWEL_E_POOL_OPTION: {
    text: "The pool option {option} is {value}: {why}.",
    fix: "See the options in docs/guide/pool.md.",
  },
  NEWEL_E_POOL_CLOSED: {
    text: "The pool {pool} accepts no tasks: it is {state}.",
    fix: "Submit tasks before `stop()` or `close()`.",
  },
  NEWEL_E_POOL_FULL: {
    text: "The queues of the pool {pool} are full; number of waiting tasks: {waiting}.",
    fix: "Wait with `await pool.put(task)`, use `run()`, or raise queueSize.",
  },
  NEWEL_E_POOL_NO_WORKER: {
    text: "The pool {pool} has no worker {worker}.",
    fix: "Workers are numbered from 0; `pool.stats().workers` lists them.",
  },
  NEWEL_E_POOL_WORKER_LOST: {
    text: "Worker {worker} (pid {pid}) ended while it ran the task: {how}.",
    fix: "The task may have run in part. Set `retries` for tasks that may run twice.",
  },
  NEWEL_E_POOL_WORKER_START: {
    text: "Worker {worker} of the pool {pool} could not start: {why}.",
    fix: "Run the worker module with `node` to see its errors. Its default export must come from `defineWorker` or extend `Worker`.",
  },
  NEWEL_E_POOL_STUCK: {
    text: "The task was still running {graceMs} ms after the pool {pool} was closed, so its worker was killed.",
    fix: "Pass a longer graceMs to `close()`, or let the task end when `ctx.signal` aborts.",
  },
  NEWEL_E_POOL_UNREAD: {
    text: "The program does not read the results of the pool {pool}, and the limit of {limit} results is reached: no more tasks of `put` start, and `post` in the workers waits.",
    fix: "Set `onResult` of the pool, iterate over the pool, or listen to `message`. If a result does not matter, let the task return undefined.",
  },
  NEWEL_E_POOL_BLOCKED: {
    text: "Worker {worker} (pid {pid}) of the pool {pool} has been blocked for {blockedMs} ms; the tasks it has begun: {tasks}.",
    fix: "Split long computations with `await`, or run them with `concurrency: 1`; listen to `blocked` to log it in another way.",
  },
  NEWEL_E_POOL_PROGRAM: {
    text: "The pool {pool} cannot start workers: {why}.",
    fix: "{advice}",
  },
  NEWEL_E_POOL_MEMORY: {
    text: "Worker {worker} was killed: it and its child processes used {usedBytes} bytes of memory, and the limit of the task is {limitBytes} bytes.",
    fix: "Raise `memoryBytes`, or let the task work in smaller pieces.",
  },
  NEWEL_E_POOL_NO_ANSWER: {
    text: "The question of the task has no answer: {why}.",
    fix: "Pass `onAsk` to `run()`, and call `ctx.ask()` only while the task runs.",
  },
  NEWEL_E_POOL_NO_STREAM: {
    text: "The task did not return a stream: it returned {what}.",
    fix: "Write the task as a generator, or call it with `run()` or `fn()`.",
  },
  NEWEL_E_POOL_NO_FUNCTION: {
    text: "The worker module of the pool {pool} exports no function {name}.",
    fix: "Export the function by that name, or correct the name; `run()` and `stream()` need a default export.",
  },
  NEWEL_E_POOL_NO_CONTEXT: {
    text: "taskContext() was called outside of a task.",
    fix: "Call taskContext() in a function that a pool runs, before the first `await` of this function; a generator may call it again after each `yield`.",
  },
  NEWEL_E_POOL_GUARD: {
    text: "The pool {pool} has no guard process: {why}. If this program is killed, processes started by its workers may survive.",
    fix: "Provide a POSIX shell as /bin/sh, or leave `processGroup` out.",
  },

  // Bus
  NEWEL_E_BUS_TRANSITION: {
    text: "The bus cannot {event} while it is {state}.",
    fix: "See the state table in docs/guide/bus.md.",
  },
  NEWEL_E_BUS_LISTENERS: {
    text: 'Listeners of the channel "{channel}" failed ({count}): {first}',
    fix: "All listeners were called; the property `errors` has each error.",
  },
  NEWEL_E_BUS_TIMEOUT: {
    text: 'The listener {listener} of the channel "{channel}" did not finish within {limitMs} ms.',
    fix: "Raise `timeoutMs` of the listener, or find the operation that it waits for.",
  },
  NEWEL_E_BUS_NO_RESTART: {
    text: "This bus cannot restart its program: it has no restart plugin.",
    fix: "Add the restart plugin: `reexec(bus)`.",
  },
  NEWEL_E_BUS_RESTART_REFUSED: {
    text: "The program was not restarted: {why}.",
    fix: "The program continues to run the old code. Fix the cause and restart again.",
  },
  NEWEL_E_BUS_PIDFILE: {
    text: "The pidfile {path} belongs to {holder}.",
    fix: "Stop that process first, or use another pidfile.",
  },
  NEWEL_E_BUS_FILE: {
    text: "The {what} {path} cannot be used: {why}.",
    fix: "Create its directory, allow this user to write there, or use another path.",
  },
  NEWEL_E_BUS_PRIVILEGES: {
    text: "The privileges could not be dropped to the user {user}: {why}.",
    fix: "Check the user and group, and start the program as root or as that user.",
  },
  NEWEL_E_BUS_CHILD: {
    text: "The child process {name} did not start: {why}.",
    fix: "Its stderr was printed before this error; run its module with `node` to see more.",
  },
  NEWEL_E_BUS_SIGNAL: {
    text: "There is no signal {signal} on this platform.",
    fix: "Use a name or number that `kill -l` lists, such as SIGTERM, SIGHUP or SIGUSR2.",
  },

  // Kernel
  NEWEL_E_HOME_PATH: {
    text: "The socket path {path} is {length} bytes long; Unix allows 107.",
    fix: "Set NEWEL_HOME to a shorter directory.",
  },
  NEWEL_E_HOME_ACCESS: {
    text: "The home directory {home} cannot be used: {why}.",
    fix: "Make the user that runs newel the owner of the directory (mode 0700), or set NEWEL_HOME to another directory.",
  },
  NEWEL_E_RUNTIME_COPY: {
    text: "newel could not copy the programs of its daemons to {path}: {why}.",
    fix: "Nothing was started. Free space on that disk, make the directory writable, or set NEWEL_HOME to another directory.",
  },
  NEWEL_E_RUNTIME_NOEXEC: {
    text: "newel's daemons must run from {path}, but this file system is mounted noexec.",
    fix: "Mount the file system without noexec, or set NEWEL_HOME to a directory on another file system.",
  },
  NEWEL_E_OLDER_CALLER: {
    text: "This command is newel {ours}, older than the daemons of {home} ({theirs}): nothing was changed.",
    fix: "Install newel {theirs} or newer (`npm install newel@{theirs}`). To go back to {ours} on purpose, run `newel upgrade --downgrade`.",
  },
  NEWEL_E_KERNEL_RUNNING: {
    text: "newel's kernel already runs for {home}{holder}.",
    fix: "Use the running kernel, or set NEWEL_HOME to another directory to run a second one.",
  },
  NEWEL_E_KERNEL_UNREACHABLE: {
    text: "newel's kernel does not answer at {path}: {why}.",
    fix: "Start it with `newel kernel --detach`; `newel up` also starts it.",
  },
  NEWEL_E_COMMAND: { text: "{what}", fix: "Send `help` for the commands." },
  NEWEL_E_NOT_FOUND: { text: "{name} not found", fix: "`list {noun}` lists the names that exist." },
  NEWEL_E_EXISTS: {
    text: "{noun} {name} exists with other settings: {existing}",
    fix: "Remove the existing {noun} first, or use another name.",
  },
  NEWEL_E_BAD_REQUEST: {
    text: "The request is not valid: {why}.",
    fix: "docs/reference/kernel-protocol.md describes the requests.",
  },
  NEWEL_E_BAD_COMMAND: {
    text: "Bad command - {command}: {why}",
    fix: "Check the spelling, that the file exists and that it is executable.",
  },
  NEWEL_E_BAD_WORKING_DIR: {
    text: "Bad working_dir - {path}: {why}",
    fix: "Check that the directory exists and that the user of the process may enter it.",
  },
  NEWEL_E_NOT_ROOT: {
    text: "A process cannot be started as {who}: newel's kernel runs as uid {own}.",
    fix: "Leave uid and gid out, or run newel's kernel as root.",
  },
  NEWEL_E_SOCKET_SERVED: {
    text: "The socket {name} cannot refuse its clients, because {processes} running processes have the socket.",
    fix: "Stop these processes first; `newel ps` and `list processes` show them.",
  },
  NEWEL_E_SOCKET_MISSING: {
    text: "Socket {name} not found",
    fix: "Make the socket before the process that uses it.",
  },
  NEWEL_E_ADDRESS_IN_USE: {
    text: "The address {address} is in use by another program.",
    fix: "`ss -ltnp` shows the other program. Stop it, or choose another port.",
  },
  NEWEL_E_PATH_IN_USE: {
    text: "No socket was made at {path}, because there is {what}.",
    fix: "{todo} Nothing was removed.",
  },
  NEWEL_E_PORT_RIGHTS: {
    text: "newel is not permitted to bind port {port}: on this machine only privileged programs may bind ports below {first}.",
    fix: "Use port {first} or higher behind a proxy; or run `sudo sysctl net.ipv4.ip_unprivileged_port_start={port}`; or set AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit; or run newel as root.",
  },
  NEWEL_E_DISK_FULL: {
    text: "The disk is full: {path} cannot be written.",
    fix: "Free space on that file system. newel continues, and counts the bytes of output that it could not store.",
  },
  NEWEL_E_NOT_KEPT: {
    text: "Nothing was changed, because the change cannot be written to {path}: {why}.",
    fix: "Free space on that file system, or make it writable again, then repeat the command.",
  },
  NEWEL_E_OUTPUT_WRITE: {
    text: "Output of processes cannot be stored: {errno} ({why}).",
    fix: "Free space on the file system of NEWEL_HOME or repair it, or raise the quota or the limit of file sizes. newel counts the bytes that it drops and tries again.",
  },
  NEWEL_E_UPGRADE_REFUSED: {
    text: "The build {program} cannot replace the running daemon: {why}.",
    fix: "The running daemon continues. Fix the installation of newel, then run `newel upgrade` again.",
  },
  NEWEL_E_REFUSED_UID: {
    text: "The process at the other end of the connection belongs to another user (uid {uid}), which is not trusted.",
    fix: "Run both processes as the user that owns NEWEL_HOME; for a connection over a port, set the same secret in both. `ss -lxtnp` shows which process listens on an address.",
  },

  // Singleton
  NEWEL_E_SINGLETON: {
    text: "The singleton {name} cannot be used this way: {why}.",
    fix: "docs/guide/singleton.md describes the options and limits.",
  },
  NEWEL_E_SINGLETON_CLASS: {
    text: "The singleton {name} has the class {theirs}, but this process uses the class {ours} for this name.",
    fix: "Use another name for one of the two singletons. If you renamed the class, or if a bundler shortens names, set the option className. For a deliberate incompatible change, raise the option version.",
  },
  NEWEL_E_OWNER_LACKS: {
    text: "The owner of {name} has no method {method} of this kind ({owner}).",
    fix: "The owner runs another release of the class. Repeat the call when that release has been replaced; `newel owners release NAME` lets another process take over.",
  },
  NEWEL_E_OWNER_SILENT: {
    text: "The owner of {name} has answered no heartbeat for {limitMs} ms, so the call of {method} was given up; it may have run.",
    fix: "The event loop of the owner is blocked, the owner is stopped (SIGSTOP), or the network is down. `newel owners` shows its pid; the option unresponsiveMs sets the limit.",
  },
  NEWEL_E_OWNER_LOST: {
    text: "The owner of {name} ended before it answered the call of {method}.",
    fix: "The call may or may not have run. Check its effect before you repeat it, or declare the method idempotent.",
  },
  NEWEL_E_NO_OWNER: {
    text: "No owner of {name} answered within {limitMs} ms: {why}.",
    fix: "`newel owners` lists the owners. If the owner hangs, `newel owners release NAME --force` lets another process take over.",
  },
  NEWEL_E_NO_SINGLETON: {
    text: "The singleton {name} has no owner.",
    fix: "`newel owners` lists the singletons of this home.",
  },
  NEWEL_E_SUPERSEDED: {
    text: "The ownership of {name} with the epoch {epoch} has ended.",
    fix: "Nothing was written. Another process may be the owner now.",
  },
  NEWEL_E_SINGLETON_HOST: {
    text: "The process of the singleton {name} did not start: {why}.",
    fix: "The message ends with the last lines of the process; run its module with `node` to see more.",
  },
  NEWEL_E_SINGLETON_FILE: {
    text: "The file {path} of singletons cannot be used: {why}.",
    fix: "Restore it, or remove it while no process uses a singleton of this home; a removed record makes the epochs of its singleton begin at 1 again.",
  },
  NEWEL_E_SINGLETON_STATE: {
    text: "The state of the singleton {name} cannot be stored: {why}.",
    fix: "Let save() return JSON data of at most 4 MB.",
  },

  // Configuration
  NEWEL_E_CONFIG: {
    text: "{problems}",
    fix: "Nothing was changed. Fix the file and run the command again; `newel check` shows the problems without starting anything.",
  },
  NEWEL_E_STARTUP: {
    text: "The systemd unit {path} cannot be written or removed: {why}.",
    fix: "`newel startup` prints the units, so that you can install them by hand. To install units for the whole machine, run it as root.",
  },
  NEWEL_E_CONFIG_MISSING: {
    text: "No configuration found: {looked}.",
    fix: "Write a newel.config.ts (see `newel help config`), or name a file with -c FILE.",
  },
  NEWEL_E_PORT_RANGE: {
    text: "There is no port for replica {replica} of {service}: portRange {range} has {ports}.",
    fix: 'Run fewer replicas, or add ports to portRange and run `newel up`. A reload with the order "start-first" needs one port more than there are replicas.',
  },
  NEWEL_E_HOOK: {
    text: "{replica} was not started: {why}.",
    fix: "Correct the command in hooks.beforeStart of the configuration, or its time limit hooks.timeout, then run `newel up` or `newel start`.",
  },
  NEWEL_E_INIT_EMPTY: {
    text: "{file} has no service that newel could start.",
    fix: "Nothing was written. Name another file with --from, or write a newel.config.ts (see `newel help config`).",
  },
  NEWEL_E_INIT_EXISTS: {
    text: "{file} exists already.",
    fix: "Nothing was written. `newel init --print` prints the new configuration, `newel init --force` replaces the existing file.",
  },
  NEWEL_E_CONFIG_STORED: {
    text: "The stored configuration cannot be read: {why}.",
    fix: "Run `newel up` again, with the same newel version as the supervisor.",
  },

  // Apps
  NEWEL_E_APP_NAME_TAKEN: {
    text: "The app name {name} is in use by {file}. The configuration {here} sets no name, so its name would be that of its directory, {word}.",
    fix: 'Nothing was changed. Write another name into this configuration (name: "shop"), or stop the other app with `newel down --app {name}`.',
  },
  NEWEL_E_APP_UNRELATED: {
    text: "The app {name} runs from {file} and has no service in common with the configuration {here}.",
    fix: "Nothing was changed. Write another name into this configuration, or run `newel up --move` to replace the services of the running app by those of this configuration.",
  },
  NEWEL_E_APP_ELSEWHERE: {
    text: "The app {name} runs from {file}, not from the configuration in this directory, {here}.",
    fix: "Nothing was changed. `newel up` applies the configuration of this directory (`newel up --plan` shows the changes). With --app {name}, the command applies to the running app with its present configuration.",
  },
  NEWEL_E_NOT_UP: {
    text: "{what}.",
    fix: "Nothing was changed. `newel up` starts the app of a configuration; `newel ps` lists the apps that are up.",
  },
  NEWEL_E_NO_REPLICAS: {
    text: "{service} is configured with 0 replicas, so no process can be started.",
    fix: "Nothing was changed. `newel scale {service}=1` starts one replica.",
  },

  // Supervisor
  NEWEL_E_SUPERVISOR_UNREACHABLE: {
    text: "No supervisor answers at {path}: {why}.",
    fix: "Run `newel up`, which starts it. The log of the supervisor is {log}.",
  },
  NEWEL_E_SUPERVISOR_HANGS: {
    text: "The supervisor (pid {pid}) does not answer within {waitedMs} ms.{advice}",
    fix: "`kill -KILL {pid} && newel up` replaces the supervisor; services continue to run.",
  },
  NEWEL_E_KERNEL_HANGS: {
    text: "newel's kernel (pid {pid}) does not answer.{advice}",
    fix: "`kill -KILL {pid} && newel ps` replaces newel's kernel; services continue to run. If you do not replace it, it may still carry out the unanswered command when it continues.",
  },
  NEWEL_E_SUPERVISOR_RUNNING: {
    text: "A supervisor already runs for {home}.",
    fix: "Use the running supervisor, or set NEWEL_HOME to another directory to run a second one.",
  },
  NEWEL_E_NO_SERVICE: {
    text: "There is no service {name}{hint}.",
    fix: "Run `newel ps` to list the services.",
  },
  NEWEL_E_AMBIGUOUS: {
    text: "{name} matches more than one service: {matches}.",
    fix: "Write the full name, such as shop/web, or name the app with --app NAME.",
  },
  NEWEL_E_NOT_READY: {
    text: "{name} did not get ready: {why}.",
    fix: "`newel logs {service}` shows its output.",
  },
  NEWEL_E_NOT_STOPPED: {
    text: "{name} could not be stopped: {why}. newel tries again.",
    fix: "`newel ps` shows its pid. A process that waits for a disk (state D in `ps`) ends only when the disk answers.",
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
  NEWEL_E_LISTEN_WIDER: {
    text: "listen: the app asks for {asked}, but the configured socket is {held}, which more clients can reach: write {setting}.",
    fix: "Write this setting into the configuration and run `newel up`, or let the app listen on the configured address.",
  },
  NEWEL_E_LISTEN_UNANSWERED: {
    text: "listen: the app asked newel's supervisor for {asked}, but the supervisor did not answer within 60 s.",
    fix: "Run `newel up`, which starts a supervisor if none runs. Then restart the service.",
  },
  NEWEL_E_METRICS_ADDRESS: {
    text: "The metrics cannot be served at {address}: {why}.",
    fix: "Nothing was changed. Write another address into `metrics.prometheus`, or stop the program that uses this address (`ss -ltnp` shows it), then run the command again.",
  },
  NEWEL_E_CANNOT_START: {
    text: "{service} cannot be started: {why}.",
    fix: "Nothing was changed. Correct the configuration or restore the missing file, then run the command again.",
  },
  NEWEL_E_APP_FILE_USED: {
    text: "{file} already runs as the app {former}, so it cannot also run as {app}.",
    fix: "If {app} should replace {former}, run `newel down --app {former}` first. If both should run, {app} needs another configuration file.",
  },
  NEWEL_E_DEV_RUNNING: {
    text: "`newel dev` already runs for {app} (pid {pid}).",
    fix: "End the other `newel dev` with Ctrl-C, or with `kill {pid}`. To run another program of the same directory, pass another name with `--name`.",
  },
  NEWEL_E_WATCH_LIMIT: {
    text: "{directory} cannot be watched ({code}): this user has reached the limit {limit}.",
    fix: "`sudo sysctl {limit}=524288` raises the limit until the next boot; a file in /etc/sysctl.d makes it permanent. Or watch fewer directories: set `watch.paths` and `watch.ignore` of the service.",
  },
  NEWEL_E_WATCH: {
    text: "{directory} cannot be watched: {code}.",
    fix: "Changes in this directory cause no reload. Check that it is on a local file system.",
  },
  NEWEL_E_DEPLOY_SOURCE: {
    text: "{source} cannot be deployed: {why}.",
    fix: "Name a directory; or a commit, branch or tag of the repository in the working directory; or - for a tar stream on stdin.",
  },
  NEWEL_E_DEPLOY_COMMAND: {
    text: "`{line}` {how}.",
    fix: "The output of the command was printed before this error. The command is set in `deploy` of the configuration.",
  },
  NEWEL_E_DEPLOY_RUNNING: {
    text: "Another deploy of {app} is running.",
    fix: "`newel deploy --attach` shows its progress, `newel deploy --cancel` stops and undoes it.",
  },
  NEWEL_E_DEPLOY_NOT_RUNNING: {
    text: "No deploy of {app} is running.",
    fix: "`newel releases` lists the releases.",
  },
  NEWEL_E_DEPLOY_DISK: {
    text: "The disk of {path} has {free} left, and a release needs about {needed}. Nothing was changed.",
    fix: "Free space on the disk, or keep fewer releases: set `keep` in `deploy` of the configuration.",
  },
  NEWEL_E_DEPLOY_DATA: {
    text: "The job store {path} is in the directory of the release, so the jobs would be missing in the next release.",
    fix: "Add the directory of the job store to `shared` in `deploy` of the configuration, so that all releases use the same store.",
  },
  NEWEL_E_DEPLOY_NAME: {
    text: "The configuration of release {number} has the name {theirs}, but you deploy the app {app}.",
    fix: "Deploy with the name {theirs}, or change `name` in the configuration to {app}.",
  },
  NEWEL_E_DEPLOY_FAILED: {
    text: "Release {number} of {app} failed at {step}: {why}.{state}",
    fix: "`newel releases --log {number}` shows its output. Its directory is kept for inspection, except when the disk was full.",
  },
  NEWEL_E_DEPLOY_NO_RELEASE: {
    text: "No release {number} of {app} was ever live.",
    fix: "`newel releases` lists the releases.",
  },
  NEWEL_E_DEPLOY_SSH: {
    text: "The deploy on {host} could not be reached to its end: {why}.",
    fix: "The message of ssh stands above. `newel deploy --host {host} --attach` follows a deploy that has begun.",
  },
  NEWEL_E_DEPLOY_NO_APP: {
    text: "The command does not name an app, and there is no configuration in this directory.",
    fix: "Name the app: `newel deploy NAME -`, `newel releases NAME`.",
  },
  NEWEL_E_UP_FAILED: {
    text: "The configuration of {app} was not applied, because {services} failed: {why}. {state}",
    fix: "`newel logs {service}` shows the output. Correct the cause and run `newel up` again.",
  },
  NEWEL_E_NOT_RESTORED: {
    text: "The configuration of {app} was not applied, because {services} failed: {why}. The rollback failed too: {back}.",
    fix: "`newel ps` shows the services as they are now. Correct the cause and run `newel up` again.",
  },
  NEWEL_E_DOWN_FAILED: {
    text: "{app} is not down: {services} could not be stopped: {why}.",
    fix: "The sockets of the app stay open, and newel starts no process of it again. Run `newel down --app {app}` again; `newel ps` shows the remaining processes.",
  },
  NEWEL_E_OPERATION_FAILED: {
    text: "{what}",
    fix: "`newel ps` shows the state of the services, `newel logs` their output.",
  },

  // Dashboard
  NEWEL_E_DASH_ADDRESS: {
    text: "The dashboard cannot be served at {address}: {why}.",
    fix: "Give another address with --listen, such as 127.0.0.1:7071 or the path of a Unix socket.",
  },
  NEWEL_E_DASH_PUBLIC: {
    text: "Other machines may reach {address}, and the dashboard has neither TLS nor users.",
    fix: "Let it listen on loopback, and reach it from your machine with `ssh -L {port}:127.0.0.1:{port} HOST`.",
  },
  NEWEL_E_DASH_FILES: {
    text: "The page of the dashboard is not built: {path} does not exist.",
    fix: "Install newel again; in a clone, run `npm run build`.",
  },
  NEWEL_E_DASH_HOST: {
    text: "The Host header is no name of loopback.",
    fix: "Open the link that `newel dash` printed, with 127.0.0.1 or localhost as its host.",
  },
  NEWEL_E_DASH_ORIGIN: {
    text: "The request does not come from a page of this dashboard.",
    fix: "Open the link that `newel dash` printed; a program sends the header Origin with the address of the dashboard.",
  },
  NEWEL_E_DASH_LINK: {
    text: "The link was used already, or is older than ten minutes.",
    fix: "Press Enter in the terminal of `newel dash` for another link, or start it again.",
  },
  NEWEL_E_DASH_SIGNED_OUT: {
    text: "The browser has no session with this dashboard, or the session has ended.",
    fix: "Press Enter in the terminal of `newel dash` for a link, or start it again.",
  },
  NEWEL_E_DASH_READ_ONLY: {
    text: "The dashboard was started with --read-only, so it changes nothing.",
    fix: "Run the command line that the page shows, or start `newel dash` without --read-only.",
  },
  NEWEL_E_DASH_REQUEST: {
    text: "The request cannot be understood: {why}.",
    fix: "Load the page again; a newer newel may serve it now.",
  },

  // Jobs
  NEWEL_E_JOB_OPTION: {
    text: "The option {option} of {of} is {value}, which is not valid.",
    fix: "Use {write}.",
  },
  NEWEL_E_JOB_DEFINED: {
    text: "The job {name} is defined twice: at {other}, and at {place}.",
    fix: "Use another name for one of the two jobs; the name of a job must be unique.",
  },
  NEWEL_E_JOB_INPUT: {
    text: "The input of {job} does not fit its schema: {problems}.",
    fix: "Nothing was enqueued. Fix the input. Input is sent as JSON, in which a Date is a string: the schema must accept this string.",
  },
  NEWEL_E_JOB_VALUE: {
    text: "{what} cannot be stored as JSON: {why}.",
    fix: "Use plain data: objects, lists, strings, numbers, booleans and null.",
  },
  NEWEL_E_JOB_PAYLOAD: {
    text: "{what} is larger than {limit} as JSON.",
    fix: "Write the data to a file, a database or an object store and pass its name, or raise the limit with the option `payload` of `jobs.use()`.",
  },
  NEWEL_E_JOB_STEPS: {
    text: "The steps of this run of {job} exceed the limit: {limit}.",
    fix: "Process several rows in one step, store large results in a file or a database and return its name, or enqueue a run for each part.",
  },
  NEWEL_E_JOB_BY: {
    text: "`by` is {value}, which is not the id of a user or session.",
    fix: "Pass the id of the user or session that owns the runs; leave `by` out for the runs of all users.",
  },
  NEWEL_E_JOB_RETRY: {
    text: "The run {run} cannot be retried now: it is {state}.",
    fix: "Only a failed or cancelled run can be retried; enqueue a new run instead.",
  },
  NEWEL_E_JOB_KEY: {
    text: 'The run {run} cannot be requeued now: the run {other} has the same key, "{key}", and is not finished.',
    fix: "Wait for the end of the other run, or cancel it.",
  },
  NEWEL_E_JOB_OWN_KEY: {
    text: 'The run {run} of {job} cannot enqueue another run with its own key "{key}": it holds that key until it ends. Nothing was enqueued.',
    fix: "Use another key or no key for the next run, use a schedule, or let the program that waits for the end of this run enqueue the next one.",
  },
  NEWEL_E_JOBS_STORE: {
    text: 'The store "{url}" cannot be used: {why}.',
    fix: 'Write "sqlite:./data/jobs.db", "redis://host:6379" or "postgres://user@host/database".',
  },
  NEWEL_E_JOBS_NO_STORE: {
    text: "There is no job store at {path} (from {by}).",
    fix: "Nothing was created. Run the command in the directory of the app, or name the store with --store URL.",
  },
  NEWEL_E_JOBS_NO_QUEUE: {
    text: "There is no queue {queue}{hint}.",
    fix: "Run `newel jobs stats` to list the queues.",
  },
  NEWEL_E_JOBS_IN_USE: {
    text: "`jobs` is already in use with another store.",
    fix: "Call `jobs.use()` before every other call of `jobs`, or create another `new Jobs()` with its own store.",
  },
  NEWEL_E_JOBS_UNREACHABLE: {
    text: "The store {url} does not answer: {why}.",
    fix: "Check that the server runs and that this machine can reach it.",
  },
  NEWEL_E_JOBS_BULLMQ: {
    text: "Jobs need the package bullmq: {why}.",
    fix: "Install the newest version that this newel was tested with: `npm install bullmq@{version}`.",
  },
  NEWEL_E_JOBS_DRIVER: {
    text: "The store {url} needs the package {driver}, which is not installed.",
    fix: "Install it in the same project as newel: `npm install {driver}`.",
  },
  NEWEL_E_JOB_REQUEST: {
    text: "The job server cannot read the request: {why}.",
    fix: "Use the same version of newel in the client and in the job server.",
  },

  // Jobs on a file
  NEWEL_E_JOB_FORBIDDEN: {
    text: "The run {id} belongs to another user.",
    fix: "Pass the same `by` with which the run was enqueued.",
  },
  NEWEL_E_JOB_NO_RUN: {
    text: "There is no run {id}.",
    fix: "Check the id. Finished runs are removed after the time that the option `keep` of their job sets.",
  },
  NEWEL_E_JOBS_CONNECTION: {
    text: "The connection {value} cannot be used: {why}.",
    fix: 'Write the path of a file: "sqlite:./jobs.db".',
  },
  NEWEL_E_JOBS_FILE: {
    text: "The job store {path} cannot be used: {why}.",
    fix: "The call wrote nothing. Check that the file and its directory exist and that this user may write to both.",
  },
  NEWEL_E_JOBS_FULL: {
    text: "The disk of {path} is full: the call wrote nothing.",
    fix: "Free space on the disk; then calls work again.",
  },
  NEWEL_E_JOBS_GONE: {
    text: "The file {part} was deleted or replaced while the job store {path} was in use: the call failed.",
    fix: "The jobs of a deleted file are lost unless there is a backup. The next call opens the file at {path}, or creates it.",
  },
  NEWEL_E_JOBS_DAMAGED: {
    text: "The file {path} is damaged: {why}{copy}.",
    fix: "Replace the file by a backup, or move it away to begin with an empty store; `sqlite3 FILE .recover` may recover some of the jobs.",
  },
  NEWEL_E_JOBS_NEWER: {
    text: "A newer version of newel has written the file {path}: its tables have version {theirs}, but this newel supports only {ours}.",
    fix: "Install the newer version of newel in this project too.",
  },
  NEWEL_E_JOBS_UNSAFE: {
    text: "The disk of {path} failed to store jobs ({why}): the call is refused, because a power cut could undo it.",
    fix: "Check the system's log for disk errors. Each call first tries to write the jobs again; calls work again when this succeeds.",
  },
  NEWEL_E_JOBS_NETWORK: {
    text: "The file {path} is on a network file system ({kind}), where the locks of SQLite are not reliable: jobs may be lost or run twice.",
    fix: "Keep the file on a disk of the machine. For several machines use Redis or PostgreSQL.",
  },
  NEWEL_E_JOBS_LINKED: {
    text: "The file {path} has another name ({names}). SQLite keeps a WAL for each name, so that a file with two names loses jobs.",
    fix: "Nothing was changed. Remove the other name (`find DIRECTORY -samefile FILE` lists all), or replace it by a symbolic link or a copy.",
  },
  NEWEL_E_JOBS_REPLACED: {
    text: "The file {path} has replaced another file of jobs. The WAL of the old file was renamed to {kept} and not applied.",
    fix: "If you restored a backup, nothing is to be done. Jobs that were added after the backup are only in the old file and its WAL.",
  },
  NEWEL_E_JOBS_SQLITE: {
    text: "Node.js {node} contains SQLite {sqlite}, which can lose committed transactions (the WAL-reset bug of SQLite 3.7.0 to 3.51.2).",
    fix: "Install Node.js 24.15 or later, which contains SQLite 3.51.3 or later. To open the file with this SQLite despite the risk, set `allowUnsafeSqlite: true` in the connection.",
  },
  NEWEL_E_JOBS_BACKUP: {
    text: "The backup cannot be written to {path}: {why}.",
    fix: "Nothing was changed. Name a new file, or a former backup that no program has open.",
  },
  NEWEL_E_JOBS_BUSY: {
    text: "Another process kept the job store locked for more than {seconds} s: the call wrote nothing.",
    fix: "Find the process that has an open transaction on the file, such as a sqlite3 shell or a backup program.",
  },

  NEWEL_E_JOB_UNREADABLE: {
    text: "The stored job {job} is damaged: its {fields} cannot be read. It is not executed.",
    fix: "Another program or a failing disk changed the row. Restore a backup, or remove the job and enqueue it again.",
  },
  NEWEL_E_STORE_SETTINGS: {
    text: "The settings of the queue {queue} in {path} are damaged: the queue is paused.",
    fix: "Set its limits (concurrency, rate) again if it had any, then resume it.",
  },
  NEWEL_E_STORE_ARGUMENT: {
    text: "{what} cannot be stored: {why}.",
    fix: "The call wrote nothing; the store remains usable. Pass a string, a number or plain JSON data.",
  },

  // Job server
  NEWEL_E_JOB_UNKNOWN: {
    text: "No module of this job server defines {job}, which is in the queue {queue}.",
    fix: "Add the file that defines the job to --modules, and restart the job server if its files have changed.",
  },
  NEWEL_E_JOB_THROWN: {
    text: "The handler of {job} threw {value}, which is not an Error.",
    fix: "Throw an Error: it has a message and a stack, and it may have a code.",
  },
  NEWEL_E_JOB_CANCELLED: {
    text: "The run {run} was cancelled.",
    fix: "A client requested it; `newel jobs retry` requeues the run.",
  },
  NEWEL_E_JOB_TIMEOUT: {
    text: "{job} was not done within its timeout of {timeout}.",
    fix: "Raise `timeout`, or do less work in one run.",
  },
  NEWEL_E_JOB_MEMORY: {
    text: "{job} and the processes it started used {used} of memory, more than {limit}, and was killed.",
    fix: "Raise `memory`, or let the job process smaller pieces of data.",
  },
  NEWEL_E_JOB_WORKER_LOST: {
    text: "The process that ran {job} ended before the job was done: {how}.",
    fix: "Check the output of the job server. Typical causes are a crash in native code and a call of process.exit().",
  },
  NEWEL_E_JOB_SERVER_STOPPING: {
    text: "The job server stops: a job that does not end within {grace} runs again later.",
    fix: "The handler may end early or continue. A run that does not end in time is requeued, with its number of attempts unchanged.",
  },
  NEWEL_E_JOB_CHILDREN: {
    text: "{job} was not executed: runs that it waits for have failed.",
    fix: "Fix the cause of these failures, then run `newel jobs retry` for this run: it also retries the failed runs, and waits for them.",
  },
  NEWEL_E_JOB_LEASE_LOST: {
    text: "This job server has lost the lease of the run {run}: another server may execute the run now.",
    fix: "Let the handler end at once; the server stores nothing more of this attempt. The cause is that the server, its machine or the store was stopped or blocked.",
  },
  NEWEL_E_JOB_DEADLOCK: {
    text: "A deadlock: runs wait for other runs that cannot start, because the waiting runs hold all permits ({limits}): {runs}.",
    fix: "Raise the limit (--processes, share, concurrency), let another server run the awaited job, or make the waiting run the parent of a flow (jobs.flow), which holds no permit while it waits.",
  },
  NEWEL_E_JOBS_MODULE: {
    text: "The job server cannot load the module {module}: {why}",
    fix: "Fix the module; `node FILE` shows the same error.",
  },
  NEWEL_E_JOBS_NONE: {
    text: "The modules of the job server define no job: {modules}.",
    fix: "Define a job with job(name, options, handler) of newel/jobs, or set --modules to the files that define jobs.",
  },
  NEWEL_E_JOBS_SETTING: {
    text: 'The setting "{setting}" of the job server {why}.',
    fix: "Set {write}.",
  },
} as const;

/** A code of the table above. */
export type ErrorCode = keyof typeof ERROR_CODES;
