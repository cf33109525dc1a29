/**
 * The one code table. Every error newel raises on purpose has a row here: what failed and why
 * (`text`, with `{parameters}`), and what to do about it (`fix`). docs/errors.md lists the same
 * codes; test/base/errors.test.ts holds the two together. A retired code is never used again.
 */
export const ERROR_CODES = {
  // General
  NEWEL_E_INTERNAL: {
    text: "newel reached an unexpected state: {what}.",
    fix: "This is a bug in newel. Please report it with the lines above.",
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
    text: "The kernel (pid {pid}) has no file descriptor left for {call} ({errno}): its limit is {limit}.",
    fix: "`prlimit --pid {pid} --nofile=65536` (as root) raises the limit at once. For later kernels raise it where they are started: `ulimit -n 65536`, or LimitNOFILE=65536 in the systemd unit. Each process takes about 5, each socket 1.",
  },
  NEWEL_E_OPEN_FILES: {
    text: "The limit of open files here (`ulimit -n`) is {limit}, which is too low: {why}.",
    fix: "Raise it before the command: `ulimit -n 65536` in the shell (as root where the hard limit is lower), LimitNOFILE=65536 in a systemd unit, `docker run --ulimit nofile=65536`.",
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
    text: "A limit was exceeded: {what} is at most {limit} {unit}.",
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
    fix: "Give it more time, or find the operation that it waits for.",
  },
  NEWEL_E_CANCELLED: {
    text: "{what} was cancelled.",
    fix: "Nothing to do: the caller asked for it.",
  },
  NEWEL_E_REMOTE: {
    text: "The peer failed: {message}",
    fix: "The error of the peer is in the `cause` of this error.",
  },
  NEWEL_E_UNREACHABLE: {
    text: "No process answers at {path}: {why}.",
    fix: "Check that the program that serves it runs, and runs as the same user.",
  },
  NEWEL_E_CLOSED: {
    text: "The connection to {peer} takes no calls: {why}.",
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
    text: "The queues of the pool {pool} are full; tasks that wait: {waiting}.",
    fix: "Wait with `await pool.put(task)`, use `run()`, or raise queueSize.",
  },
  NEWEL_E_POOL_NO_WORKER: {
    text: "The pool {pool} has no worker {worker}.",
    fix: "Workers are numbered from 0; `pool.stats().workers` lists them.",
  },
  NEWEL_E_POOL_WORKER_LOST: {
    text: "Worker {worker} (pid {pid}) ended while it ran the task: {how}.",
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
  NEWEL_E_POOL_UNREAD: {
    text: "The results of the pool {pool} are not read, and their limit of {limit} is reached: no more tasks of `put` start, and `post` in the workers waits.",
    fix: "Give the pool an `onResult`, iterate over it, or listen to `message`; tasks whose results do not matter return undefined.",
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
    text: "Worker {worker} and the processes it started used {usedBytes} bytes of memory, more than the {limitBytes} of the task, and was killed.",
    fix: "Raise `memoryBytes`, or let the task work in smaller pieces.",
  },
  NEWEL_E_POOL_NO_ANSWER: {
    text: "The question has no answer: {why}.",
    fix: "Give `run()` an `onAsk`, and ask while the task runs.",
  },
  NEWEL_E_POOL_NO_STREAM: {
    text: "The task gave no stream: it returned {what}.",
    fix: "Write it as a generator, or call it with `run()` or `fn()`.",
  },
  NEWEL_E_POOL_NO_FUNCTION: {
    text: "The worker module of the pool {pool} exports no function {name}.",
    fix: "Export the function by that name, or correct the name; `run()` and `stream()` need a default export.",
  },
  NEWEL_E_POOL_NO_CONTEXT: {
    text: "taskContext() was called outside of a task.",
    fix: "Call it in a function that a pool runs, before its first `await`; a generator may call it again after each `yield`.",
  },
  NEWEL_E_POOL_GUARD: {
    text: "The pool {pool} has no guard: {why}. If this program is killed, processes started by its workers may survive.",
    fix: "Provide a POSIX shell as /bin/sh, or leave `processGroup` out.",
  },

  // Bus
  NEWEL_E_BUS_TRANSITION: {
    text: "The bus cannot {event} while it is {state}.",
    fix: "See the state table in docs/guide/bus.md.",
  },
  NEWEL_E_BUS_LISTENERS: {
    text: 'Listeners of the channel "{channel}" failed ({count}): {first}',
    fix: "Every listener ran; each failure is in `errors`.",
  },
  NEWEL_E_BUS_TIMEOUT: {
    text: 'The listener {listener} of the channel "{channel}" did not finish within {limitMs} ms.',
    fix: "Raise its timeoutMs, or find the operation that it waits for.",
  },
  NEWEL_E_BUS_NO_RESTART: {
    text: "This bus cannot restart its program: it has no restart plugin.",
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
  NEWEL_E_BUS_FILE: {
    text: "The {what} {path} cannot be used: {why}.",
    fix: "Make its directory, give this user the right to write there, or name another path.",
  },
  NEWEL_E_BUS_PRIVILEGES: {
    text: "The privileges could not be dropped to the user {user}: {why}.",
    fix: "Check the user and group, and start the program as root or as that user.",
  },
  NEWEL_E_BUS_CHILD: {
    text: "The child process {name} did not start: {why}.",
    fix: "Its stderr is printed above; run its module by itself to see more.",
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
  NEWEL_E_NOT_FOUND: { text: "{name} not found", fix: "List the present names: `list {noun}`." },
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
    fix: "Free space on that file system; newel continues and counts the bytes that it could not keep.",
  },
  NEWEL_E_NOT_KEPT: {
    text: "Nothing was changed, because the change cannot be written to {path}: {why}.",
    fix: "Free space on that file system, or make it writable again, then repeat the command.",
  },
  NEWEL_E_OUTPUT_WRITE: {
    text: "Output of processes cannot be kept: {errno} ({why}).",
    fix: "Repair the file system of the home or raise the limit; newel counts the bytes that it drops and tries again.",
  },
  NEWEL_E_UPGRADE_REFUSED: {
    text: "The build {program} cannot take over: {why}.",
    fix: "The running kernel continues. Fix the installation and upgrade again.",
  },
  NEWEL_E_REFUSED_UID: {
    text: "The process at the other end belongs to another user (uid {uid}), which is not trusted.",
    fix: "Run both as one user, the one that owns the home directory; over a port, give both the same secret. `ss -lxtnp` shows which process has an address.",
  },

  // Singleton
  NEWEL_E_SINGLETON: {
    text: "The singleton {name} cannot be used this way: {why}.",
    fix: "See docs/guide/singleton.md.",
  },
  NEWEL_E_SINGLETON_CLASS: {
    text: "The singleton {name} belongs to the class {theirs}; this process has the class {ours} under that name.",
    fix: "Give one of them another name. After a rename, or where a bundler shortens names, set the option className; a deliberate break is the option version.",
  },
  NEWEL_E_OWNER_LACKS: {
    text: "The owner of {name} has no method {method} of this kind ({owner}).",
    fix: "It runs another release of the class. Call it again when that release is replaced; `newel owners release NAME` lets another process take over.",
  },
  NEWEL_E_OWNER_SILENT: {
    text: "The owner of {name} has answered no heartbeat for {limitMs} ms, so the call of {method} was given up; it may have run.",
    fix: "Its event loop is blocked, or it is stopped, or the network is down. `newel owners` shows its pid; the option unresponsiveMs sets the limit.",
  },
  NEWEL_E_OWNER_LOST: {
    text: "The owner of {name} ended before the answer of {method} came.",
    fix: "The call may or may not have run. Ask for the state before calling again, or declare the method idempotent.",
  },
  NEWEL_E_NO_OWNER: {
    text: "No owner of {name} answered within {limitMs} ms: {why}.",
    fix: "`newel owners` lists the owners; `newel owners release NAME --force` takes it from a process that hangs.",
  },
  NEWEL_E_NO_SINGLETON: {
    text: "The singleton {name} has no owner.",
    fix: "`newel owners` lists the singletons of this home.",
  },
  NEWEL_E_SUPERSEDED: {
    text: "The ownership of {name} with the epoch {epoch} has ended.",
    fix: "Another process may own it now. Nothing was written.",
  },
  NEWEL_E_SINGLETON_HOST: {
    text: "The process that hosts the singleton {name} did not start: {why}.",
    fix: "The message ends with its last lines; run its module by itself to see more.",
  },
  NEWEL_E_SINGLETON_FILE: {
    text: "The file {path} of singletons cannot be used: {why}.",
    fix: "Restore it, or remove it while no process uses a singleton of this home; a removed record makes the epochs of its singleton begin at 1 again.",
  },
  NEWEL_E_SINGLETON_STATE: {
    text: "The state of {name} cannot be kept: {why}.",
    fix: "Let save() return JSON data of at most 4 MB.",
  },

  // Configuration
  NEWEL_E_CONFIG: {
    text: "{problems}",
    fix: "Nothing was changed. Fix the file and run the command again; `newel check` shows the problems without starting anything.",
  },
  NEWEL_E_STARTUP: {
    text: "The systemd unit {path} cannot be written or removed: {why}.",
    fix: "`newel startup` prints the units, so that they can be installed by hand; for the units of the machine run it as root.",
  },
  NEWEL_E_CONFIG_MISSING: {
    text: "No configuration found: {looked}.",
    fix: "Write a newel.config.ts (see `newel help config`), or name a file with -c FILE.",
  },
  NEWEL_E_PORT_RANGE: {
    text: "Replica {replica} of {service} has no port: portRange {range} has {ports}.",
    fix: "Run fewer replicas, or give portRange more ports and run `newel up`. A reload with order start-first needs one more port than there are replicas.",
  },
  NEWEL_E_INIT_EMPTY: {
    text: "{file} has no service that newel could start.",
    fix: "Nothing was written. Name another file with --from, or write a newel.config.ts (see `newel help config`).",
  },
  NEWEL_E_INIT_EXISTS: {
    text: "{file} exists already.",
    fix: "Nothing was written. `newel init --print` prints the configuration, `newel init --force` replaces the one that is there.",
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
  NEWEL_E_KERNEL_HANGS: {
    text: "The kernel (pid {pid}) does not answer.{advice}",
    fix: "`kill -KILL {pid} && newel ps` replaces it: services run on and are not restarted. A command that it did not answer may still be carried out once it continues.",
  },
  NEWEL_E_SUPERVISOR_RUNNING: {
    text: "A supervisor already serves {home}.",
    fix: "Use that one, or set NEWEL_HOME to run a second supervisor.",
  },
  NEWEL_E_NO_SERVICE: {
    text: "There is no service {name}{hint}.",
    fix: "Run `newel ps` to list the services.",
  },
  NEWEL_E_AMBIGUOUS: {
    text: "{name} stands for more than one service: {matches}.",
    fix: "Write one of them in full, such as shop/web, or name the app with --app NAME.",
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
  NEWEL_E_LISTEN_WIDER: {
    text: "listen: the app asks for {asked}, and the socket of its configuration is {held}, which more clients reach: write {setting}.",
    fix: "Write that line into the configuration and run `newel up`, or have the app listen on the configured address.",
  },
  NEWEL_E_LISTEN_UNANSWERED: {
    text: "listen: newel's supervisor did not answer within 60 s where {asked} may be served.",
    fix: "Run any command, such as `newel ps`: it starts a supervisor that is missing. Then start the service again.",
  },
  NEWEL_E_METRICS_ADDRESS: {
    text: "The metrics cannot be served at {address}: {why}.",
    fix: "Nothing was changed. Write another address into `metrics.prometheus`, or end the program that has it (`ss -ltnp` shows it), then run the command again.",
  },
  NEWEL_E_CANNOT_START: {
    text: "{service} cannot be started: {why}.",
    fix: "Nothing was changed. Correct the configuration or put the file in its place, then run the command again.",
  },
  NEWEL_E_APP_FILE_USED: {
    text: "{file} already runs as the app {former}, so it cannot also run as {app}.",
    fix: "If {app} replaces it, run `newel down --app {former}` first; a second app needs a configuration file for itself.",
  },
  NEWEL_E_DEV_RUNNING: {
    text: "`newel dev` of {app} runs already (pid {pid}).",
    fix: "End it there with Ctrl-C, or by `kill {pid}`. Another program of the same directory needs another name: `--name`.",
  },
  NEWEL_E_WATCH_LIMIT: {
    text: "{directory} cannot be watched ({code}): the limit {limit} of this user is used up.",
    fix: "`sudo sysctl {limit}=524288` raises it until the next boot; a line in /etc/sysctl.d keeps it. Or watch fewer directories, by `watch.paths` and `watch.ignore` of the service.",
  },
  NEWEL_E_WATCH: {
    text: "{directory} cannot be watched: {code}.",
    fix: "Check that the directory is on a local file system. Changes in it cause no reload.",
  },
  NEWEL_E_DEPLOY_SOURCE: {
    text: "{source} cannot be deployed: {why}.",
    fix: "Name a directory, a commit, branch or tag of the repository you are in, or - for a tar stream on stdin.",
  },
  NEWEL_E_DEPLOY_COMMAND: {
    text: "`{line}` {how}.",
    fix: "Its output stands above. The command comes from `deploy` of the configuration.",
  },
  NEWEL_E_DEPLOY_RUNNING: {
    text: "A deploy of {app} is under way already.",
    fix: "`newel deploy --attach` follows it, `newel deploy --cancel` ends and undoes it.",
  },
  NEWEL_E_DEPLOY_NOT_RUNNING: {
    text: "No deploy of {app} is under way.",
    fix: "`newel releases` lists the releases.",
  },
  NEWEL_E_DEPLOY_DISK: {
    text: "The disk of {path} has {free} left, and a release needs about {needed}. Nothing was changed.",
    fix: "Make room, or keep fewer releases: `keep` in `deploy` of the configuration.",
  },
  NEWEL_E_DEPLOY_DATA: {
    text: "The job store {path} lies in the directory of the release, so that no later release would have its jobs.",
    fix: "Share its directory between releases: add it to `shared` in `deploy` of the configuration.",
  },
  NEWEL_E_DEPLOY_NAME: {
    text: "Release {number} is of the app {theirs}, not of {app}.",
    fix: "Deploy it by its own name, or give the configuration that name.",
  },
  NEWEL_E_DEPLOY_FAILED: {
    text: "Release {number} of {app} failed at {step}: {why}.{state}",
    fix: "`newel releases --log {number}` shows its output; its directory is kept for inspection.",
  },
  NEWEL_E_DEPLOY_NO_RELEASE: {
    text: "There is no release {number} of {app} that was live.",
    fix: "`newel releases` lists the releases.",
  },
  NEWEL_E_DEPLOY_NO_APP: {
    text: "It is not known which app this is: there is no configuration here.",
    fix: "Name the app: newel deploy NAME -, newel releases NAME.",
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
    fix: "Its sockets are kept and nothing is started again. Run `newel down --app {app}` again; `newel ps` shows the rest.",
  },
  NEWEL_E_OPERATION_FAILED: { text: "{what}", fix: "See `newel ps` and `newel logs`." },

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
  NEWEL_E_JOB_STEPS: {
    text: "The steps of this run of {job} are more than {limit}, which is the limit.",
    fix: "Do several rows in one step, keep large results in a file or a database and return their name, or enqueue a run for each part.",
  },
  NEWEL_E_JOB_BY: {
    text: "`by` is {value}, which names no user or session.",
    fix: "Give the id of the user or session whose runs are meant; leave `by` out for the runs of all users.",
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
    fix: "Give the next run another key or none, use a schedule, or enqueue it from the program that follows this run to its end.",
  },
  NEWEL_E_JOBS_STORE: {
    text: 'The store "{url}" cannot be used: {why}.',
    fix: 'Write "sqlite:./data/jobs.db", "redis://host:6379" or "postgres://user@host/database".',
  },
  NEWEL_E_JOBS_NO_STORE: {
    text: "There are no jobs at {path} (from {by}).",
    fix: "Nothing was made. Run the command where the app is, or name the store with --store URL.",
  },
  NEWEL_E_JOBS_NO_QUEUE: {
    text: "There is no queue {queue}{hint}.",
    fix: "Run `newel jobs stats` to list the queues.",
  },
  NEWEL_E_JOBS_IN_USE: {
    text: "These jobs are already in use with another store.",
    fix: "Call `jobs.use()` before anything else, or make another `new Jobs()` with its own store.",
  },
  NEWEL_E_JOBS_UNREACHABLE: {
    text: "The store {url} does not answer: {why}.",
    fix: "Check that the server runs and may be reached from here.",
  },
  NEWEL_E_JOBS_BULLMQ: {
    text: "Jobs need the package bullmq: {why}.",
    fix: "Install the newest version that this newel was tested with: `npm install bullmq@{version}`.",
  },
  NEWEL_E_JOBS_DRIVER: {
    text: "The store {url} needs the package {driver}, which is not installed.",
    fix: "Install it next to newel: `npm install {driver}`.",
  },
  NEWEL_E_JOB_REQUEST: {
    text: "The job server cannot read the request: {why}.",
    fix: "Run the same version of newel here and there.",
  },

  // Jobs on a file
  NEWEL_E_JOB_FORBIDDEN: {
    text: "The run {id} belongs to another user.",
    fix: "Give the `by` that the run was enqueued with.",
  },
  NEWEL_E_JOB_NO_RUN: {
    text: "There is no run {id}.",
    fix: "It was removed, or its retention has ended; see `keep` of its job.",
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
    text: "The file {part} was deleted or replaced while the jobs at {path} were in use: the call failed.",
    fix: "Jobs of a deleted file are lost unless there is a backup. The next call opens, or makes, the file at {path}.",
  },
  NEWEL_E_JOBS_DAMAGED: {
    text: "The file {path} is damaged: {why}{copy}.",
    fix: "Put a backup in its place, or move the file away to begin with an empty one; `sqlite3 FILE .recover` may save some of it.",
  },
  NEWEL_E_JOBS_NEWER: {
    text: "The file {path} was written by a newer newel: its tables have version {theirs}, this one knows {ours}.",
    fix: "Run the newer newel here too.",
  },
  NEWEL_E_JOBS_UNSAFE: {
    text: "The disk of {path} failed to keep jobs that were written ({why}): the call is refused, because a power cut could undo it.",
    fix: "See the system's log for errors of the disk. Each call tries to write everything again; calls are answered when that succeeds.",
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
    text: "The file {path} was put in the place of another one. The WAL of that one was set aside as {kept} and not applied.",
    fix: "Nothing, if a backup was restored. Jobs that were added after the backup are in the WAL and the old file alone.",
  },
  NEWEL_E_JOBS_SQLITE: {
    text: "SQLite {sqlite} of this Node.js {node} can lose committed transactions (the WAL-reset bug of SQLite 3.7.0 to 3.51.2).",
    fix: "Install Node.js 24.15 or later, which has SQLite 3.51.3 or later. `allowUnsafeSqlite: true` of the connection opens the file all the same.",
  },
  NEWEL_E_JOBS_BUSY: {
    text: "Another process kept the jobs locked for more than {seconds} s: nothing of the call was written.",
    fix: "Find the process that has a transaction open on the file: a shell of sqlite3, a backup program.",
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
    fix: "Nothing of the call was written; the store remains usable. Pass a text, a number or plain JSON data.",
  },

  // Job server
  NEWEL_E_JOB_UNKNOWN: {
    text: "No module of this job server defines {job}, which is in the queue {queue}.",
    fix: "Let --modules name the file that defines it, and restart a server whose files have changed.",
  },
  NEWEL_E_JOB_THROWN: {
    text: "The handler of {job} threw {value}, which is not an Error.",
    fix: "Throw an Error: it has a message, a stack and may have a code.",
  },
  NEWEL_E_JOB_CANCELLED: {
    text: "The run {run} was cancelled.",
    fix: "A client asked for it; `newel jobs retry` requeues it.",
  },
  NEWEL_E_JOB_TIMEOUT: {
    text: "{job} was not done within {timeout}, its timeout.",
    fix: "Raise `timeout`, or do less in one run.",
  },
  NEWEL_E_JOB_MEMORY: {
    text: "{job} and the processes it started used {used} of memory, more than {limit}, and was killed.",
    fix: "Raise `memory`, or work in smaller pieces.",
  },
  NEWEL_E_JOB_WORKER_LOST: {
    text: "The process that ran {job} ended before the job was done: {how}.",
    fix: "Look at the output of the job server; native code and process.exit() end a process.",
  },
  NEWEL_E_JOB_SERVER_STOPPING: {
    text: "The job server stops: a job that does not end within {grace} runs again later.",
    fix: "End early, or continue: the run is requeued and its attempts are unchanged.",
  },
  NEWEL_E_JOB_CHILDREN: {
    text: "{job} was not executed: runs that it waits for have failed.",
    fix: "Fix them, then run `newel jobs retry` for this run; it retries them and waits.",
  },
  NEWEL_E_JOB_LEASE_LOST: {
    text: "This job server has lost the lease of the run {run}: another server may have it now.",
    fix: "End at once; nothing more of this attempt is stored. It happens when the server, its machine or the store was stopped or blocked.",
  },
  NEWEL_E_JOB_DEADLOCK: {
    text: "Runs wait for runs that cannot start, because waiting runs hold all permits ({limits}): {runs}.",
    fix: "Raise the limit (--processes, share, concurrency), let another server run the awaited job, or make the waiting run the parent of a flow (jobs.flow), which holds no permit while it waits.",
  },
  NEWEL_E_JOBS_MODULE: {
    text: "The module {module} cannot be loaded by the job server: {why}",
    fix: "Fix the module; `node FILE` by itself shows the same.",
  },
  NEWEL_E_JOBS_NONE: {
    text: "The modules of the job server define no job: {modules}.",
    fix: "Define one with job(name, options, handler) of newel/jobs, or let --modules name the files that do.",
  },
  NEWEL_E_JOBS_SETTING: {
    text: 'The setting "{setting}" of the job server {why}.',
    fix: "Give {write}.",
  },
} as const;

/** A code of the table above. */
export type ErrorCode = keyof typeof ERROR_CODES;
