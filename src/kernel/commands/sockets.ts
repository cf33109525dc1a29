import { command, option, optionalRest, reply, rest, word, type Command } from "./command.ts";
import { choice, count, FLAG, ID_MOST, MASK, NEW_NAME, TEXT, WORDS } from "./kinds.ts";
import { socketLine } from "./lines.ts";

/** Python's names for the families and types, by constant and by number. */
const FAMILY_ALIASES = {
  af_inet: "inet",
  af_inet6: "inet6",
  af_unix: "unix",
  "1": "unix",
  "2": "inet",
  "10": "inet6",
} as const;
const TYPE_ALIASES = {
  sock_stream: "stream",
  sock_dgram: "dgram",
  sock_raw: "raw",
  sock_rdm: "rdm",
  sock_seqpacket: "seqpacket",
  "1": "stream",
  "2": "dgram",
  "3": "raw",
  "4": "rdm",
  "5": "seqpacket",
} as const;

export const SOCKET_COMMANDS: readonly Command[] = [
  command({
    words: ["make", "socket"],
    summary: "Make a named socket, listening from this moment on.",
    detail:
      "Made again with the same settings, the one there is is the answer; with other settings it is an error.",
    examples: [
      "make socket web port=8080",
      "make socket api path=/run/api.sock umask=077",
      "make socket any",
    ],
    fields: {
      name: word(NEW_NAME, "what it is called"),
      family: option(
        choice(["inet", "inet6", "unix"], FAMILY_ALIASES),
        "default inet; unix with a path",
      ),
      type: option(
        choice(["stream", "dgram", "seqpacket", "raw", "rdm"], TYPE_ALIASES),
        "default stream",
      ),
      backlog: option(count(2 ** 31 - 1), "connections that may wait; default 5"),
      host: option(TEXT, "the address; default loopback"),
      port: option(count(65_535), "default 0: the operating system chooses"),
      interface: option(TEXT, "the network device, such as eth0"),
      reuseport: option(FLAG, "reserve the port; each process gets its own socket on it"),
      path: option(TEXT, "absolute: makes it a Unix socket"),
      umask: option(MASK, "for the file of a Unix socket"),
      uid: option(count(ID_MOST), "the owner of the file of a Unix socket"),
      gid: option(count(ID_MOST), "the group of the file of a Unix socket"),
      later: option(FLAG, "check that the port is free; `bind socket` decides the address"),
      overlap: option(FLAG, "allow another socket of this kernel on the port, with another host"),
    },
    run: (request, { kernel }) => {
      const socket = kernel.sockets.make(request);
      return reply(socket, () => [socketLine(socket)]);
    },
  }),
  command({
    words: ["bind", "socket"],
    summary: "Give a socket that was made with later=1 its address.",
    detail:
      "Processes that have the socket have the bound one then. It listens as soon as one of them does.",
    examples: ["bind socket web 127.0.0.1", "bind socket web ipv6_only=1 ::"],
    addition: true,
    fields: {
      name: word(TEXT, "what it is called"),
      host: word(TEXT, "the IP address"),
      ipv6Only: option(FLAG, "with the host `::`: no IPv4"),
    },
    run: (request, { kernel }) => {
      const socket = kernel.sockets.bind(request);
      return reply(socket, () => [socketLine(socket)]);
    },
  }),
  command({
    words: ["list", "sockets"],
    summary: "Show sockets: all, or those of a name or prefix*.",
    examples: ["list sockets", "list sockets web api.*"],
    fields: { names: optionalRest(WORDS, "names, or prefixes ending in *") },
    run: ({ names = [] }, { kernel }) => {
      const sockets = kernel.sockets.list(names);
      return reply(sockets, () => sockets.map(socketLine).sort());
    },
  }),
  command({
    words: ["remove", "sockets"],
    summary: "Close the kernel's copy of sockets; processes that have them keep them.",
    examples: ["remove sockets web", "remove sockets api.*", "remove sockets 7"],
    fields: { names: rest(WORDS, "names, prefixes ending in *, or file numbers") },
    run: ({ names }, { kernel }) => {
      kernel.sockets.remove(names);
      return reply();
    },
  }),
  command({
    words: ["refuse", "sockets"],
    addition: true,
    summary: "Refuse the clients of sockets at once; their addresses stay taken.",
    detail:
      "Only while no process that runs was given the socket. It lasts, also over a reboot, until `serve sockets` or until a process is made with the socket.",
    examples: ["refuse sockets web", "refuse sockets shop/*"],
    fields: { names: rest(WORDS, "names, prefixes ending in *, or file numbers") },
    run: ({ names }, { kernel }) => {
      const sockets = kernel.sockets.refuse(names);
      return reply(sockets, () => sockets.map(socketLine).sort());
    },
  }),
  command({
    words: ["serve", "sockets"],
    addition: true,
    summary: "Let clients of sockets that refused wait for a process again.",
    examples: ["serve sockets web"],
    fields: { names: rest(WORDS, "names, prefixes ending in *, or file numbers") },
    run: ({ names }, { kernel }) => {
      const sockets = kernel.sockets.serve(names);
      return reply(sockets, () => sockets.map(socketLine).sort());
    },
  }),
  command({
    words: ["retire", "sockets"],
    addition: true,
    summary: "Leave new clients of TCP sockets to sockets with wider hosts.",
    detail:
      "Processes that have the sockets accept the clients that wait; JSON shows their number. It lasts until another process is made with the socket.",
    examples: ["retire sockets web"],
    fields: { names: rest(WORDS, "names, prefixes ending in *, or file numbers") },
    run: ({ names }, { kernel }) => {
      const sockets = kernel.sockets.retire(names);
      return reply(sockets, () => sockets.map(socketLine).sort());
    },
  }),
];
