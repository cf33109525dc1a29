/** Draws lines of a terminal, with their colours, as an SVG picture. */

const FONT_SIZE = 14;
const CHARACTER_WIDTH = 8.43;
const LINE_HEIGHT = 20;
const PADDING = 20;
const TITLE_HEIGHT = 36;
const COLUMNS = 80;

/** Colours by the codes of ECMA-48, "select graphic rendition". */
const COLOURS: Readonly<Record<string, string>> = {
  "31": "#ff7b72",
  "32": "#7ee787",
  "33": "#e3b341",
  "34": "#79c0ff",
  "35": "#d2a8ff",
  "36": "#76e3ea",
  "90": "#8b949e",
};

interface Span {
  readonly text: string;
  readonly style: string;
}

/** @param lines - with escape sequences for colours; a line that begins with `$ ` or `# ` is a command or a comment */
export function drawTerminal(lines: readonly string[], title: string): string {
  const width = Math.round(COLUMNS * CHARACTER_WIDTH + 2 * PADDING);
  const height = TITLE_HEIGHT + lines.length * LINE_HEIGHT + PADDING;
  const rows = lines.map((line, index) => {
    const y = TITLE_HEIGHT + (index + 1) * LINE_HEIGHT;
    const spans = spansOf(line).map(({ text, style }) => `<tspan${style}>${escape(text)}</tspan>`);
    return `<text x="${PADDING}" y="${y}">${spans.join("")}</text>`;
  });
  const dots = ["#ff5f56", "#ffbd2e", "#27c93f"].map(
    (fill, index) => `<circle cx="${PADDING + index * 20}" cy="18" r="6" fill="${fill}"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>${title}</title>
<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>
${dots.join("")}
<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="${FONT_SIZE}" fill="#e6edf3">
${rows.join("\n")}
</g>
</svg>
`;
}

function spansOf(line: string): Span[] {
  if (line.startsWith("$ ")) return [{ text: line, style: ' font-weight="bold" fill="#79c0ff"' }];
  if (line.startsWith("# ")) return [{ text: line, style: ' font-weight="bold" fill="#7ee787"' }];
  const spans: Span[] = [];
  let style = "";
  // Each part but the first begins with the codes of an escape sequence.
  for (const [index, part] of line.split("\u001B[").entries()) {
    const [, codes, text = part] = index === 0 ? [] : (/^([\d;]*)m([^]*)$/.exec(part) ?? []);
    if (codes !== undefined) style = styleOf(codes, style);
    if (text !== "") spans.push({ text, style });
  }
  return spans;
}

function styleOf(codes: string, before: string): string {
  let style = before;
  for (const code of codes.split(";")) {
    if (code === "" || code === "0" || code === "39" || code === "22") style = "";
    else if (code === "1") style += ' font-weight="bold"';
    else if (code === "2") style += ' opacity="0.7"';
    else if (COLOURS[code] !== undefined) style += ` fill="${COLOURS[code]}"`;
  }
  return style;
}

/** Viewers join neighbouring spaces, but no no-break spaces. */
function escape(text: string): string {
  return text
    .replaceAll(" ", "\u00A0")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}
