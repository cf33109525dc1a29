import {
  command,
  jsonOnly,
  option,
  optionalRest,
  optionalWord,
  reply,
  word,
  type Command,
} from "./command.ts";
import { count, FLAG, NEW_NAME, TEXT, WORDS, type Kind } from "./kinds.ts";
import { claimLine, statusLines } from "./lines.ts";

/** The id of a request, which identifies its stream. */
const REQUEST_ID: Kind<string | number> = {
  hint: "id",
  fromWords: ([word = ""]) => word,
  fromJson: (value, label) => (typeof value === "number" ? value : TEXT.fromJson(value, label)),
};

export const CLAIM_COMMANDS: readonly Command[] = [
  command({
    words: ["claim"],
    summary: "Wait for a named lock that is yours until this connection ends.",
    detail: "Answers with its fencing number, which only grows. While it waits, q gives up.",
    examples: ["claim nightly-report"],
    addition: true,
    fields: {
      name: word(NEW_NAME, "what it is called"),
      pid: jsonOnly(count(2 ** 31 - 1, 1), "the process that holds it"),
      had: jsonOnly(
        count(Number.MAX_SAFE_INTEGER, 1),
        "the number it had from a kernel that ended",
      ),
    },
    run: ({ name, pid, had }) => ({
      kind: "claim",
      name,
      ...(pid === undefined ? {} : { pid }),
      ...(had === undefined ? {} : { had }),
    }),
  }),
  command({
    words: ["release"],
    summary: "Give a claim back, or take it from its holder with --force.",
    examples: ["release nightly-report", "release nightly-report --force"],
    addition: true,
    fields: {
      name: word(TEXT, "the claim"),
      force: option(FLAG, "take it from its holder; its number grows first"),
    },
    run: ({ name, force }, { kernel }) => {
      if (force !== true) return { kind: "release", name };
      kernel.claims.release(name);
      return reply();
    },
  }),
  command({
    words: ["list", "claims"],
    summary: "Show claims: all, or those of a name or prefix*.",
    examples: ["list claims"],
    addition: true,
    fields: { names: optionalRest(WORDS, "names, or prefixes ending in *") },
    run: ({ names = [] }, { kernel }) => {
      const claims = kernel.claims.list(names);
      return reply(claims, () => claims.map(claimLine).sort());
    },
  }),
];

export const GENERAL_COMMANDS: readonly Command[] = [
  command({
    words: ["events"],
    summary: "Show what changes as it happens: made, ended, removed, claimed. q stops.",
    examples: ["events", "events 120"],
    addition: true,
    fields: { since: optionalWord(count(), "begin after this event; default from now on") },
    run: ({ since }, { kernel }) => ({ kind: "events", since: since ?? kernel.events.last }),
  }),
  command({
    words: ["hold", "sockets"],
    summary: "Send copies of all sockets to a datagram socket, while this connection lasts.",
    addition: true,
    jsonOnly: true,
    fields: {
      path: word(TEXT, "that socket's path; the messages are those of systemd's fd store"),
    },
    run: ({ path }) => ({ kind: "hold", path }),
  }),
  command({
    words: ["unwatch"],
    summary: "End the stream of an earlier request.",
    addition: true,
    jsonOnly: true,
    fields: { watch: word(REQUEST_ID, "the id of that request") },
    run: ({ watch }) => ({ kind: "unwatch", id: watch }),
  }),
  command({
    words: ["status"],
    summary: "Show version, uptime, how much the kernel holds, and what an operator should know.",
    addition: true,
    run: (_, { kernel }) => {
      const status = kernel.status();
      return reply(status, () => statusLines(status));
    },
  }),
  command({
    words: ["upgrade"],
    summary: "Replace the running kernel by the build on disk; everything it holds stays.",
    detail:
      "The new build is tried first: one that cannot boot is refused. The connection ends; connect again.",
    examples: ["upgrade"],
    addition: true,
    fields: {
      node: jsonOnly(TEXT, "the Node.js to run it; default the present one"),
      program: jsonOnly(TEXT, "the kernel program of the build; default the present one"),
    },
    run: ({ node, program }) => ({
      kind: "upgrade",
      ...(node === undefined ? {} : { node }),
      ...(program === undefined ? {} : { program }),
    }),
  }),
  command({
    words: ["exit-if-idle"],
    summary: "End the kernel once the last client left, if it holds nothing.",
    unabbreviated: true,
    run: (_, { kernel }) =>
      kernel.idle() ? { kind: "exit" } : reply({ exiting: false }, () => ["not idle"]),
  }),
  command({
    words: ["quit"],
    summary: "Close this connection.",
    run: () => ({ kind: "quit" }),
  }),
];
