// The settings and sections of supervisord that newel does not have as settings, each with the reason.

/** Sections about supervisord itself. */
export const SUPERVISORD_SECTIONS: Readonly<Record<string, string>> = {
  supervisord: "newel's daemons need no settings",
  unix_http_server: "newel's daemons have their own sockets",
  inet_http_server: "newel's daemons have their own sockets",
  supervisorctl: "the command `newel` finds the daemons by itself",
  rpcinterface: "the command `newel` finds the daemons by itself",
  ctlplugin: "newel has no plugins",
};

/** Settings that newel has no counterpart for. */
export const SUPERVISORD_DROPPED: Readonly<Record<string, string>> = {
  priority: "newel starts services together; dependsOn puts them in order",
  stdout_capture_maxbytes: "newel captures no events in output",
  stderr_capture_maxbytes: "newel captures no events in output",
  stdout_events_enabled: "newel sends no events to programs: `newel logs -f` prints output",
  stderr_events_enabled: "newel sends no events to programs: `newel logs -f` prints output",
  stdout_syslog: "`newel logs -f` prints output, which another program can read",
  stderr_syslog: "`newel logs -f` prints output, which another program can read",
  socket_owner: "the socket belongs to the user that runs newel",
  socket_mode: "umask of an entry in sockets sets the permissions of a socket's file",
};

/** Settings that newel needs nothing for. */
export const SUPERVISORD_NEEDLESS: Readonly<Record<string, string>> = {
  process_name: "processes are named NAME.1, NAME.2, …",
  numprocs_start: "processes are named NAME.1, NAME.2, …",
  killasgroup: "a stop ends the whole process tree",
  serverurl: "programs need no address of newel",
  stdout_logfile: "output is always kept; `newel logs NAME` reads it",
  stderr_logfile: "output is always kept; `newel logs NAME` reads it",
  stdout_logfile_backups: "logs.bufsize bounds all of the output together",
  stderr_logfile_backups: "logs.bufsize bounds all of the output together",
  stderr_logfile_maxbytes: "logs.bufsize is for each of both streams",
  socket_backlog: "newel's sockets have a backlog of 4096",
};

/** Settings that are carried over. */
export const SUPERVISORD_CARRIED: ReadonlySet<string> = new Set([
  "command",
  "numprocs",
  "autostart",
  "autorestart",
  "startsecs",
  "startretries",
  "exitcodes",
  "stopsignal",
  "stopwaitsecs",
  "stopasgroup",
  "redirect_stderr",
  "stdout_logfile_maxbytes",
  "environment",
  "directory",
  "umask",
  "socket",
  "user",
]);
