/** A command of another tool that newel does not have. */
interface ForeignWord {
  /** The answer: the reason why nothing is to be done, or the command of newel. */
  readonly says: string;
  /**
   * newel needs no such command: it prints this text and ends with 0, so that scripts for the other tool
   * continue.
   */
  readonly isDone?: true;
}

const KEPT: ForeignWord = {
  says: "There is nothing to save: newel keeps the running services, and starts them after a reboot.",
  isDone: true,
};

/** Commands of pm2, compose and supervisord. */
const WORDS: Readonly<Record<string, ForeignWord>> = {
  save: KEPT,
  dump: KEPT,
  resurrect: {
    says: "There is nothing to resurrect: the first command after a reboot, or the unit of `newel startup`, starts the services that were up.",
    isDone: true,
  },
  unstartup: { says: 'pm2\'s "unstartup" is `newel startup --remove`.' },
  jlist: { says: 'pm2\'s "jlist" is `newel ps --json`.' },
  startOrReload: { says: 'pm2\'s "startOrReload" is `newel up`.' },
  startOrRestart: { says: 'pm2\'s "startOrRestart" is `newel up`.' },
  reloadLogs: { says: "Output is captured by newel, which reopens no file." },
  sendSignal: { says: 'pm2\'s "sendSignal" is `newel signal SIGNAL SERVICE`.' },
  env: { says: 'pm2\'s "env" is `newel show SERVICE`, which prints the names of variables.' },
  pid: { says: 'pm2\'s "pid" is `newel ps -a --json`.' },
  update: { says: "pm2's \"update\" is `newel upgrade`; supervisord's is `newel up`." },
  reset: {
    says: 'pm2\'s "reset" of counters is not needed: `newel ps` says when the last restart was.',
  },
  kill: {
    says: 'pm2\'s "kill" is `newel down --all`; compose\'s "kill" is `newel signal KILL SERVICE`.',
  },
  create: { says: 'compose\'s "create" is `newel check`; `newel up` starts too.' },
  pause: { says: 'compose\'s "pause" is `newel signal STOP SERVICE`.' },
  unpause: { says: 'compose\'s "unpause" is `newel signal CONT SERVICE`.' },
  pull: { says: "newel runs programs, not images: there is nothing to pull." },
  build: { says: "newel runs programs, not images: build them by your own command." },
  config: { says: 'compose\'s "config" is `newel check`.' },
  reread: { says: 'supervisord\'s "reread" is `newel up --plan`.' },
  tail: { says: 'supervisord\'s "tail" is `newel logs SERVICE -f`.' },
  shutdown: { says: 'supervisord\'s "shutdown" is `newel down --all`.' },
};

/** The answer to a command of another tool; `undefined` for any other word. */
export function foreignWord(word: string): ForeignWord | undefined {
  return Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
}

/** For the suggestion after a typing error. */
export function foreignWords(): string[] {
  return Object.keys(WORDS);
}
