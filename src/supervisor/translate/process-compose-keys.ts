// The settings of process-compose that newel does not have as settings, each with the reason.

export const PROCESS_CARRIED: ReadonlySet<string> = new Set([
  "command",
  "entrypoint",
  "working_dir",
  "environment",
  "env_file",
  "depends_on",
  "availability",
  "readiness_probe",
  "liveness_probe",
  "schedule",
  "ready_log_line",
  "shutdown",
  "replicas",
  "disabled",
]);

export const PROCESS_DROPPED: Readonly<Record<string, string>> = {
  is_daemon: "newel supervises the program itself: start it in the foreground",
  launch_timeout_seconds: "newel supervises the program itself: start it in the foreground",
  is_elevated: "a service runs as the user that runs newel",
  namespace: "name services alike and use a pattern: `newel reload 'shop-*'`",
  vars: "newel has no templates: the file is a program, and an expression stands where a value does",
  is_foreground: "services have no terminal: run the program next to newel",
  is_tty: "services have no terminal",
  is_interactive: "services have no terminal",
};

export const PROCESS_NEEDLESS: Readonly<Record<string, string>> = {
  description: "it is a text for people",
  log_location: "output is always kept; `newel logs NAME` reads it",
  log_configuration: "output is always kept; `newel logs NAME` reads it",
  disable_ansi_colors: "output is kept as it is",
  is_strict: "`newel check` refuses unknown settings",
  is_disabled: "it is disabled in the other file",
};

export const PROCESS_TOP: Readonly<Record<string, readonly ["dropped" | "needless", string]>> = {
  version: ["needless", "newel reads no version of a file format"],
  log_level: ["needless", "it concerns the output of process-compose itself"],
  log_length: ["needless", "logs.bufsize bounds the output of a service"],
  log_location: ["needless", "output is always kept; `newel logs` reads it"],
  log_configuration: ["needless", "output is always kept; `newel logs` reads it"],
  shell: [
    "dropped",
    'a text in run is executed by /bin/sh; write run: ["bash", "-c", "…"] for another shell',
  ],
  extends: ["dropped", "name each file by `newel init --from FILE`"],
  vars: [
    "dropped",
    "newel has no templates: the file is a program, and an expression stands where a value does",
  ],
  env_cmds: ["dropped", "the file is a program: execFileSync gives the output of a command"],
  is_strict: ["needless", "`newel check` refuses unknown settings"],
  is_tui_disabled: ["needless", "`newel run` prints the output of all services"],
  ordered_shutdown: ["needless", "newel stops services in the order of dependsOn"],
  disable_env_expansion: ["needless", "newel expands no variables in the file"],
};
