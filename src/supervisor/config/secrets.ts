import { existsSync } from "node:fs";

import { escaped } from "./problems.ts";

/** Variables of the shell itself: never a secret, and messages would be unreadable without their values. */
const PLAIN =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|NODE_ENV|PWD|OLDPWD|INIT_CWD|TERM|COLORTERM|SHLVL|_|EDITOR|VISUAL|PAGER|MAIL|HOSTNAME|NODE|NODE_OPTIONS|COLOR)$/;

/** Variables of npm, version managers, the session and CI systems whose name has no {@link SECRET_WORD}. */
const SURROUNDINGS =
  /^(?:npm_|NEWEL_|XDG_|SSH_|TERM_|NVM_|FNM_|VOLTA_|PNPM_|YARN_|BUN_|CONDA_|PYENV_|VIRTUAL_ENV|DBUS_|VSCODE_|TMUX|SUDO_|SYSTEMD_|INVOCATION_ID$|JOURNAL_STREAM$|CI$|CI_|GITHUB_|GITLAB_|RUNNER_|LS_COLORS$|LESS)/;

/** Words in the name of a variable whose value always counts as a secret. */
const SECRET_WORD =
  /pass(?!env)|secret|token|key(?!board|map)|auth(?!or)|cred|private|cookie|salt|dsn/i;

/** A name or a password in a URL. */
const CREDENTIALS = /:\/\/[^/\s]*@/;

/** One word or number: as common in a message as in an environment. */
const ONE_WORD = /^(?:[a-z]+|[A-Z]+|[A-Z][a-z]+|\d+)$/;

/** Shorter values are words such as "true", which are everywhere. */
const SECRET_LENGTH = 6;

/**
 * Replaces each value of an environment that may be a secret and is part of a text, in quotes or not, by `$NAME`: a
 * message goes to terminals and logs. The longest value first, since one may contain another.
 */
export function hideValues(text: string, environment: NodeJS.ProcessEnv): string {
  const secrets = Object.entries(environment)
    .filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && mayBeSecret(entry[0], entry[1]),
    )
    .sort((a, b) => b[1].length - a[1].length);
  return secrets.reduce(
    (hidden, [name, value]) =>
      hidden.replaceAll(value, () => `$${name}`).replaceAll(escaped(value), () => `$${name}`),
    text,
  );
}

/**
 * Whether the value of a variable may be a secret. In doubt it may; paths, single words and known variables of the
 * environment are not, unless the name contains a secret word.
 */
function mayBeSecret(name: string, value: string): boolean {
  if (value.length < SECRET_LENGTH || PLAIN.test(name)) return false;
  if (CREDENTIALS.test(value)) return true;
  if (SECRET_WORD.test(name)) return !existsSync(value);
  return !(SURROUNDINGS.test(name) || isPath(value) || ONE_WORD.test(value));
}

/** Absolute paths, one or several with colons. Base64 may begin with a slash too, but names no directory. */
function isPath(value: string): boolean {
  return value.split(":").every((each) => {
    const [first] = /^\/[^/]+/.exec(each) ?? [];
    return each.startsWith("~/") || (first !== undefined && existsSync(first));
  });
}
