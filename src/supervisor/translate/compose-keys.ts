// The settings of compose that newel does not have as settings, each with the reason.

const CONTAINER = "newel starts programs of this machine, without a container";
const NETWORK = "services use the network of this machine: they reach each other on 127.0.0.1";

export const COMPOSE_DROPPED: Readonly<Record<string, string>> = {
  volumes: "a service sees the files of this machine",
  tmpfs: "a service sees the files of this machine",
  networks: NETWORK,
  network_mode: NETWORK,
  links: NETWORK,
  extra_hosts: NETWORK,
  dns: NETWORK,
  user: "it is a user of the container; user of newel is one of this machine",
  mem_limit:
    "newel sets no limit of memory; nodeArgs with --max-old-space-size limits the heap of Node.js",
  cpus: "newel sets no limit of processor time",
  logging: "output is always kept, at most logs.bufsize of it",
  extends: "newel has no templates of services: write the settings that it inherits",
  secrets: "read the file by its path, or name a variable in passEnv",
  configs: "read the file by its path",
  labels: "newel has no labels",
  cap_add: CONTAINER,
  cap_drop: CONTAINER,
  security_opt: CONTAINER,
  privileged: CONTAINER,
  read_only: CONTAINER,
  devices: CONTAINER,
  sysctls: CONTAINER,
  shm_size: CONTAINER,
  pid: CONTAINER,
  ipc: CONTAINER,
};

export const COMPOSE_NEEDLESS: Readonly<Record<string, string>> = {
  container_name: "the key is the name of the service",
  hostname: "a service has the name of this machine",
  domainname: "a service has the name of this machine",
  platform: CONTAINER,
  pull_policy: CONTAINER,
  init: "newel is the parent of the processes and collects those that end",
  tty: "output is kept without a terminal",
  stdin_open: "services have no input",
  expose: "services reach each other on 127.0.0.1",
  attach: "`newel logs` prints the output of each service",
};

export const COMPOSE_CARRIED: ReadonlySet<string> = new Set([
  "image",
  "build",
  "command",
  "entrypoint",
  "ports",
  "environment",
  "env_file",
  "depends_on",
  "healthcheck",
  "restart",
  "deploy",
  "scale",
  "stop_signal",
  "stop_grace_period",
  "working_dir",
  "profiles",
  "ulimits",
  "develop",
]);

/** Parts of the file other than services. */
export const COMPOSE_TOP: Readonly<Record<string, string>> = {
  networks: NETWORK,
  volumes: "a service sees the files of this machine",
  secrets: "read the file by its path, or name a variable in passEnv",
  configs: "read the file by its path",
  include: "name each file by `newel init --from FILE`",
};
