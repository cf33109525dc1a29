import { newelError, type NewelError } from "../../base/errors.ts";
import { matches } from "../../base/names.ts";
import type { ProcessId } from "../process-api.ts";
import {
  command,
  jsonOnly,
  option,
  optionalRest,
  optionalWord,
  reply,
  rest,
  word,
  type Command,
} from "./command.ts";
import {
  ACCOUNT,
  choice,
  count,
  FLAG,
  LIMIT_VALUE,
  MASK,
  NAMES,
  NEW_NAME,
  NICE,
  POSITION,
  record,
  refuse,
  SENTENCE,
  SIGNAL,
  SIZE,
  STDERR_MODE,
  TEXT,
  WORDS,
} from "./kinds.ts";
import { oneLine, processLine } from "./lines.ts";

/** A variable's name ends at the first `=`, and the system ends it at a NUL. */
const VARIABLE = /^[^=\0]+$/;
const LIMIT = /^[A-Za-z_]+$/;

export const PROCESS_COMMANDS: readonly Command[] = [
  command({
    words: ["make", "process"],
    summary: "Start a process under a name and keep its output.",
    detail:
      "$(socket.NAME.fileno) and $(socket.NAME.port) in the command stand for a socket's number and port. Its environment is exactly the given one. Made again with the same settings, the one there is is the answer.",
    examples: [
      "make process web working_dir=/srv/web env.PATH=/usr/bin:/bin node server.js $(socket.web.fileno)",
      "make process job bufsize=64k stderr=stdout rlimit.nofile=1024 /usr/bin/job --all",
    ],
    fields: {
      name: word(NEW_NAME, "what it is called"),
      uid: option(ACCOUNT, "the user it runs as"),
      gid: option(ACCOUNT, "the group it runs as"),
      workingDir: option(TEXT, "the directory it starts in"),
      bufsize: option(SIZE, "how much of each stream is kept; default 1m"),
      group: option(
        NEW_NAME,
        "share bufsize with the processes of this group, which keeps the output of those that left the list",
      ),
      maxAge: option(count(), "with group: drop output older than this, in seconds; default never"),
      stdout: option(FLAG, "keep its stdout; default 1"),
      stderr: option(STDERR_MODE, "keep its stderr, or merge it into stdout; default 1"),
      env: option(record(SENTENCE, VARIABLE), "a variable of its environment"),
      rlimits: option(record(LIMIT_VALUE, LIMIT), "a limit, soft and hard, or unlimited"),
      nice: option(NICE, "added to the kernel's priority: -20 to 19"),
      umask: option(MASK, "its file mode mask"),
      shell: option(FLAG, "run the command with /bin/sh -c"),
      sockets: option(NAMES, "sockets passed as descriptors 3, 4, … with LISTEN_FDS"),
      listenPid: option(FLAG, "set LISTEN_PID too"),
      notify: option(FLAG, "pass a descriptor for READY=1 lines; NEWEL_NOTIFY_FD has its number"),
      watch: option(FLAG, "continue by watching it"),
      args: rest(WORDS, "the program and its arguments"),
    },
    run: ({ watch, maxAge, ...asked }, { kernel }) => {
      const request = { ...asked, ...(maxAge === undefined ? {} : { maxAgeMs: maxAge * 1_000 }) };
      for (const [key, value] of Object.entries(request.env ?? {}))
        if (value.includes("\0")) throw refuse(`env.${key} has a NUL character`);
      const process = kernel.processes.make(request);
      const first = reply(process, () => [processLine(process)]);
      return watch === true ? { kind: "watch", names: [process.name], follow: true, first } : first;
    },
  }),
  command({
    words: ["list", "processes"],
    summary: "Show processes: all, or those of a name or prefix*.",
    examples: ["list processes", "list processes web.*"],
    fields: { names: optionalRest(WORDS, "names, or prefixes ending in *") },
    run: ({ names = [] }, { kernel }) => {
      const processes = kernel.processes.list(names);
      return reply(processes, () => processes.map(processLine).sort());
    },
  }),
  command({
    words: ["list", "archived"],
    summary:
      "Show processes that left the list, and whose output is kept in the archive of their group.",
    addition: true,
    examples: ["list archived", "list archived shop/web"],
    fields: { names: optionalRest(WORDS, "names of processes or groups, or prefixes ending in *") },
    run: ({ names = [] }, { kernel }) => {
      const processes = kernel.processes.archived(names);
      return reply(processes, () => processes.map(processLine));
    },
  }),
  command({
    words: ["prune", "output"],
    summary: "Drop the kept output of groups, and of processes without a group.",
    detail: "Readers see a gap of its size. Later output is kept.",
    addition: true,
    examples: ["prune output shop/web", "prune output shop/*"],
    fields: { names: rest(WORDS, "names, or prefixes ending in *") },
    run: ({ names }, { kernel }) => {
      const pruned = kernel.processes.prune(names);
      return reply(pruned, () => [`bytes=${pruned.bytes}`]);
    },
  }),
  command({
    words: ["remove", "processes"],
    summary: "Stop keeping the output of processes; they leave the list when they end.",
    detail:
      "Nothing is stopped by this: see signal. Where a process has a group, its output is kept there.",
    examples: ["remove processes job", "remove processes web.*"],
    fields: { names: rest(WORDS, "names, or prefixes ending in *") },
    run: ({ names }, { kernel }) => {
      kernel.processes.remove(names);
      return reply();
    },
  }),
  command({
    words: ["watch", "processes"],
    summary: "Show output as it comes. An empty line acknowledges it, q stops.",
    detail:
      "Output that was not acknowledged is shown to the next watcher. A process that ended leaves the list when its end was acknowledged.",
    examples: ["watch processes web.1", "watch processes *"],
    fields: {
      names: optionalRest(WORDS, "names, or prefixes ending in *"),
      from: jsonOnly(POSITION, "where to begin in each stream; default the oldest byte kept"),
      follow: jsonOnly(FLAG, "continue with new output until the end; default true"),
      reader: jsonOnly(TEXT, "begin where this reader acknowledged last"),
      archived: jsonOnly(FLAG, "also a process by name whose output is archived; default false"),
    },
    run: ({ names = [], from, follow = true, reader, archived = false }, { kernel }) => {
      const listed = kernel.processes.list(names);
      // A slow reader continues with the output after the end of the list entry.
      const left = reader === undefined ? [] : kernel.processes.departed(names);
      const kept = archived
        ? names.flatMap((name) =>
            kernel.processes
              .archived([name])
              .filter((one) => one.name === name)
              .slice(-1),
          )
        : [];
      const processes = [...listed];
      for (const process of [...left, ...kept])
        if (!isIn(processes, process.name)) processes.push(process);
      const found = processes.map(({ name }) => name).sort();
      const watching = processes.map(({ name, pid }) => ({ name, pid }));
      const missing = names.find(
        (name) => !name.endsWith("*") && !found.some((one) => matches(name, one)),
      );
      if (missing !== undefined) throw notFound(missing);
      return {
        kind: "watch",
        names: found,
        follow,
        ...(from === undefined ? {} : { from }),
        ...(reader === undefined ? {} : { reader }),
        first: reply({ watching }, () => [`Watching ${found.length}`]),
      };
    },
  }),
  command({
    words: ["ack"],
    summary: "Say how far a named reader has read, or that an end was read.",
    addition: true,
    jsonOnly: true,
    fields: {
      name: word(TEXT, "the process"),
      reader: jsonOnly(TEXT, "the name of the reader; default the readers of the prompt"),
      position: jsonOnly(POSITION, "one past the last byte read in each stream"),
      end: jsonOnly(FLAG, "its end was read: it may leave the list"),
    },
    run: ({ name, reader, position, end }, { kernel }) => {
      const all = [...kernel.processes.list([name]), ...kernel.processes.departed([name])];
      const process = all.find((one) => one.name === name);
      if (process === undefined) throw notFound(name);
      if (position !== undefined) kernel.readers.acknowledge(process, reader, position);
      if (end === true) kernel.processes.acknowledgeEnd(name);
      return reply();
    },
  }),
  command({
    words: ["list", "trees"],
    summary: "Show living processes with all their descendants that can be found.",
    addition: true,
    jsonOnly: true,
    fields: {
      names: optionalRest(WORDS, "names, or prefixes ending in *"),
      detail: jsonOnly(FLAG, "also how each treats signals; default false"),
    },
    run: ({ names = [], detail = false }, { kernel }) =>
      reply(kernel.processes.trees(names, detail)),
  }),
  command({
    words: ["signal"],
    summary: "Send a signal to a process, to its group, or to all its descendants.",
    addition: true,
    examples: ["signal web.1 TERM", "signal web.1 KILL tree"],
    fields: {
      name: word(TEXT, "the process"),
      signal: word(SIGNAL, "by name or number"),
      scope: optionalWord(choice(["process", "group", "tree"]), "default process"),
      only: jsonOnly(WORDS, "exactly these of its tree, as PID:STARTTICKS"),
    },
    run: ({ name, signal, scope = "process", only }, { kernel }) => {
      const report = kernel.processes.signal(name, signal, scope, only?.map(parseId));
      return reply(report, () =>
        report.signalled.map(({ pid, command }) => oneLine(`${pid} ${command}`)),
      );
    },
  }),
];

function parseId(text: string): ProcessId {
  const [, pid, startTicks] = /^(\d{1,10}):(\d{1,16})$/.exec(text) ?? [];
  if (pid === undefined) throw refuse(`only must have PID:STARTTICKS, not ${text.slice(0, 60)}`);
  return { pid: Number(pid), startTicks: Number(startTicks) };
}

function isIn(processes: readonly { readonly name: string }[], name: string): boolean {
  return processes.some((one) => one.name === name);
}

function notFound(name: string): NewelError {
  return newelError("NEWEL_E_NOT_FOUND", { name, noun: "processes" });
}
