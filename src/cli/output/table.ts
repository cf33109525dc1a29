import { stripVTControlCharacters } from "node:util";

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Which column goes first when the table is too wide: the highest. Missing: it stays. */
  readonly drop?: number;
  /** May be cut when the table is still too wide. */
  readonly cut?: boolean;
  /** The text of a cell; colours do not count for its width. */
  readonly cell: (row: Row) => string;
}

const GAP = "  ";

/**
 * Rows as lines of at most `width` characters: columns are dropped, then cut, until they fit.
 *
 * @returns the titles, then one line a row
 */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): string[] {
  let shown = columns.map((column) => measure(column, rows));
  while (total(shown) > width) {
    const last = shown
      .filter(({ column }) => column.drop !== undefined)
      .reduce<Measured<Row> | undefined>(
        (most, each) => ((each.column.drop ?? 0) > (most?.column.drop ?? -1) ? each : most),
        undefined,
      );
    if (last === undefined) break;
    shown = shown.filter((each) => each !== last);
  }
  const surplus = total(shown) - width;
  if (surplus > 0) shown = shown.map((each) => cutColumn(each, surplus));
  const lines = [
    shown.map(({ column }) => column.title),
    ...rows.map((_, row) => cells(shown, row)),
  ];
  return lines.map((line) => formatLine(shown, line));
}

interface Measured<Row> {
  readonly column: Column<Row>;
  readonly width: number;
  readonly cells: readonly string[];
}

function measure<Row>(column: Column<Row>, rows: readonly Row[]): Measured<Row> {
  const texts = rows.map((row) => column.cell(row));
  return { column, cells: texts, width: Math.max(...[column.title, ...texts].map(visibleWidth)) };
}

function total<Row>(shown: readonly Measured<Row>[]): number {
  return shown.reduce((sum, { width }) => sum + width, GAP.length * (shown.length - 1));
}

function cutColumn<Row>(measured: Measured<Row>, surplus: number): Measured<Row> {
  if (measured.column.cut !== true) return measured;
  const width = Math.max(measured.column.title.length, measured.width - surplus);
  return { ...measured, width, cells: measured.cells.map((text) => cutText(text, width)) };
}

function cells<Row>(shown: readonly Measured<Row>[], row: number): string[] {
  return shown.map((measured) => measured.cells[row] ?? "");
}

function formatLine<Row>(shown: readonly Measured<Row>[], line: readonly string[]): string {
  return shown
    .map(({ column, width }, index) => {
      const text = line[index] ?? "";
      const space = " ".repeat(Math.max(0, width - visibleWidth(text)));
      return column.align === "right" ? space + text : text + space;
    })
    .join(GAP)
    .trimEnd();
}

/** A text of at most `width` characters, its end replaced by `…` when it is longer. */
function cutText(text: string, width: number): string {
  if (visibleWidth(text) <= width) return text;
  const characters = Array.from(stripVTControlCharacters(text));
  return `${characters.slice(0, Math.max(0, width - 1)).join("")}…`;
}

export function visibleWidth(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}
