import { constants } from "node:os";

/** How a process ended. */
export type Ending =
  | { readonly kind: "unknown" }
  | { readonly kind: "code"; readonly code: number }
  /** `viaShell`: the shell or package manager around the program reports the signal as 128 and its number. */
  | { readonly kind: "signal"; readonly signal: number; readonly viaShell: boolean };

const SHELL_SIGNAL = 128;

/** The end that an exit code of the kernel stands for; signals are negative. */
export function endingOf(exitCode: number | null): Ending {
  if (exitCode === null) return { kind: "unknown" };
  if (exitCode < 0) return { kind: "signal", signal: -exitCode, viaShell: false };
  const signal = exitCode - SHELL_SIGNAL;
  if (signal > 0 && signalName(signal) !== undefined)
    return { kind: "signal", signal, viaShell: true };
  return { kind: "code", code: exitCode };
}

/** `SIGSEGV`; `undefined` for a number that has no name. */
export function signalName(signal: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
}

/** The signals by which the kernel of the system, or the program itself, ends a program with a fault. */
const FAULTS: Readonly<Record<string, string>> = {
  SIGSEGV: "it used memory that it must not use: a fault in the program or in a native module",
  SIGBUS: "it used memory that could not be read: a fault in the program, or a file that was cut",
  SIGILL: "it executed an invalid instruction: a program for another processor, or a damaged file",
  SIGFPE: "it computed an impossible number: a fault in the program or in a native module",
  SIGABRT: "it called abort(): it found a fault in itself",
  SIGTRAP: "it executed a trap: it found a fault in itself",
  SIGSYS: "it used a system call that is forbidden to it (seccomp)",
  SIGXCPU: "it used more CPU time than its limit (ulimit -t)",
  SIGXFSZ: "it wrote a larger file than its limit allows (ulimit -f)",
  SIGPIPE: "it wrote to a pipe or socket that has no reader",
};

/** The meaning of a signal of a fault; `undefined` for a signal that another program sends. */
export function faultOf(signal: number): string | undefined {
  const name = signalName(signal);
  return name === undefined ? undefined : FAULTS[name];
}

/** `exit code 1`, `SIGSEGV (signal 11)`. */
export function endingText(ending: Ending): string {
  switch (ending.kind) {
    case "unknown":
      return "an exit code that no newel daemon could learn";
    case "code":
      return `exit code ${ending.code}`;
    case "signal": {
      const name = signalName(ending.signal);
      const text =
        name === undefined ? `signal ${ending.signal}` : `${name} (signal ${ending.signal})`;
      return ending.viaShell
        ? `exit code ${ending.signal + SHELL_SIGNAL}, by which a shell reports ${text}`
        : text;
    }
  }
}
