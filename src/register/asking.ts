import { type ListenAnswer, type ListenReport, parseAnswer } from "../base/listening.ts";

/**
 * After this time an unanswered question is written again, because another supervisor may read it by then;
 * milliseconds.
 */
const REPEAT_MS = 2_000;
/** How long a supervisor may take to answer, in milliseconds. */
const LIMIT_MS = 60_000;

/** The questions to the supervisor about the addresses of sockets. */
export interface Asking {
  /**
   * Asks for a socket at these hosts.
   *
   * @param members - the inherited sockets from which the supervisor may choose
   * @returns `undefined` when no answer came within 60 s
   */
  ask(
    target: string,
    hosts: readonly string[],
    members: readonly string[],
  ): Promise<ListenAnswer | undefined>;
  /** Passes on the text of an answer; returns `false` when no question waits for it. */
  answer(text: string): boolean;
}

/** @param write - writes a line to the notify descriptor */
export function openAsking(write: (report: ListenReport) => void): Asking {
  const waiting = new Map<number, (answer: ListenAnswer) => void>();
  let count = 0;
  return {
    ask: (target, hosts, members) =>
      new Promise((resolve) => {
        count += 1;
        // The pid is a part of the number, so that two processes of one replica never use the same number.
        const id = process.pid * 100 + (count % 100);
        const question: ListenReport = { kind: "ask", id, target, hosts, members };
        const settle = (answer: ListenAnswer | undefined): void => {
          waiting.delete(id);
          clearInterval(repeat);
          clearTimeout(limit);
          resolve(answer);
        };
        const repeat = setInterval(() => write(question), REPEAT_MS).unref();
        const limit = setTimeout(() => settle(undefined), LIMIT_MS).unref();
        waiting.set(id, settle);
        write(question);
      }),
    answer: (text) => {
      const answer = parseAnswer(text);
      const settle = answer === undefined ? undefined : waiting.get(answer.id);
      if (answer === undefined || settle === undefined) return false;
      settle(answer);
      return true;
    },
  };
}
