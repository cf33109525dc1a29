/** A setting of a section; its name may occur several times in a section, as in units of systemd. */
export interface IniEntry {
  readonly section: string;
  readonly key: string;
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** The entries of a file, and its lines that are none. */
export interface Ini {
  readonly entries: readonly IniEntry[];
  readonly sections: readonly { readonly name: string; readonly line: number }[];
  readonly problems: readonly { readonly line: number; readonly text: string }[];
}

/** How a line continues, and where a comment begins. */
export type Dialect = "supervisord" | "systemd";

/**
 * Reads an INI file. supervisord (Python's configparser): an indented line continues the value, `;` after a space begins a
 * comment. systemd: a backslash at the end continues the value; comments are whole lines.
 */
export function readIni(text: string, dialect: Dialect): Ini {
  const entries: IniEntry[] = [];
  const sections: { name: string; line: number }[] = [];
  const problems: { line: number; text: string }[] = [];
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  let section = "";
  for (let at = 0; at < lines.length; at += 1) {
    const line = at + 1;
    const content = (lines[at] ?? "").trim();
    if (content === "" || /^[#;]/.test(content)) continue;
    const header = /^\[([^\]]+)\]/.exec(content)?.[1];
    if (header !== undefined) {
      section = header.trim();
      sections.push({ name: section, line });
      continue;
    }
    const [, key, first = ""] = /^([^=:\s][^=:]*?)\s*[=:]\s*(.*)$/.exec(content) ?? [];
    if (key === undefined) {
      problems.push({ line, text: content });
      continue;
    }
    const rest = dialect === "systemd" ? backslashed(lines, at, first) : indented(lines, at, first);
    at = rest.last;
    entries.push({ section, key, value: rest.value, line });
  }
  return { entries, sections, problems };
}

interface Continued {
  readonly value: string;
  /** The index of the last line of the value. */
  readonly last: number;
}

function backslashed(lines: readonly string[], from: number, first: string): Continued {
  let value = first;
  let last = from;
  while (value.endsWith("\\") && last + 1 < lines.length) {
    last += 1;
    const next = (lines[last] ?? "").trim();
    // Comments between the lines of a value are left out.
    value = /^[#;]/.test(next) ? value : `${value.slice(0, -1).trimEnd()} ${next}`;
  }
  return { value: value.replace(/\\$/, "").trim(), last };
}

function indented(lines: readonly string[], from: number, first: string): Continued {
  const parts = [first];
  let last = from;
  while (/^[ \t]+\S/.test(lines[last + 1] ?? "")) {
    last += 1;
    const next = (lines[last] ?? "").trim();
    if (!/^[#;]/.test(next)) parts.push(next);
  }
  const value = parts
    .map((part) => part.replace(/\s;.*$/, "").trim())
    .filter((part) => part !== "");
  return { value: value.join("\n"), last };
}
