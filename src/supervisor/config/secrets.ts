import { escaped } from "./problems.ts";

/** Variables whose values are no secret and would only make messages unreadable. */
const PLAIN =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|NODE_ENV|PWD|OLDPWD|INIT_CWD|TERM|SHLVL|_|EDITOR|HOSTNAME|NODE|npm_(?:package|lifecycle|command|execpath|node)\w*)$/;

/** Shorter values are words such as "true", that stand everywhere. */
const SECRET_LENGTH = 6;

/**
 * Replaces each value of an environment that stands in a text, in quotes or not, by `$NAME`: a message goes to
 * terminals and logs, and a value may be a password. The longest value first, since one may contain
 * another.
 */
export function hideValues(text: string, environment: NodeJS.ProcessEnv): string {
  const secrets = Object.entries(environment)
    .filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && entry[1].length >= SECRET_LENGTH && !PLAIN.test(entry[0]),
    )
    .sort((a, b) => b[1].length - a[1].length);
  return secrets.reduce(
    (hidden, [name, value]) =>
      hidden.replaceAll(value, () => `$${name}`).replaceAll(escaped(value), () => `$${name}`),
    text,
  );
}
