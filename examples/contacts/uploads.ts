import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";

import type { Contact } from "./contacts.ts";
import { dataPath } from "./data.ts";

const FIRST = ["Ada", "Björn", "Chiara", "Dmitri", "Elif", "Femi", "Grete", "Hiro", "Inés", "Jun"];
const LAST = ["Abbott", "Brandt", "Costa", "Dahl", "Eriksen", "Fischer", "García", "Haas", "Ito"];

/** Keeps a CSV file of names and addresses until its import has run. */
export async function keepUpload(csv: string): Promise<string> {
  const name = `${randomUUID()}.csv`;
  await writeFile(dataPath("uploads", name), csv);
  return name;
}

/** The contacts of a file: one a line, `name,email`; lines without an address are left out. */
export async function readUpload(name: string): Promise<readonly Contact[]> {
  const csv = await readFile(dataPath("uploads", name), "utf8");
  return csv.split(/\r?\n/).flatMap((line) => {
    const [name = "", email = ""] = line.split(",").map((cell) => cell.trim());
    return email.includes("@") ? [{ name, email }] : [];
  });
}

/** A file to try it with. */
export function sampleCsv(lines = 10_000): string {
  const rows = Array.from({ length: lines }, (_, at) => {
    const first = FIRST[at % FIRST.length];
    const last = LAST[Math.floor(at / FIRST.length) % LAST.length];
    return `${first} ${last} ${at + 1},${first}.${last}.${at + 1}@example.com`;
  });
  return ["name,email", ...rows, ""].join("\n");
}
