import type { Run } from "../../src/jobs/index.ts";
import type { Contact } from "./contacts.ts";

/** The line about the visitor on every page. */
export interface Visitor {
  /** Imports that are not finished. */
  readonly running: readonly Run[];
}

interface Contacts {
  readonly count: number;
  readonly first: readonly Contact[];
}

/** The contacts, and how to import more. */
export function homePage(visitor: Visitor, contacts: Contacts, imported: Run | undefined): string {
  const notice =
    imported?.state === "done"
      ? `<p class="notice" role="status">${number(importedBy(imported))} contacts are imported.</p>`
      : "";
  return page(
    "Contacts",
    visitor,
    `${notice}
    <h1>Contacts <small>${number(contacts.count)}</small></h1>
    ${contactList(contacts)}
    <form method="post" action="/imports" enctype="multipart/form-data">
      <h2><label for="file">Import from a CSV file</label></h2>
      <p>One contact a line, as <code>name,email</code>. <a href="/sample.csv">A file to try</a>.</p>
      <p class="row"><input type="file" id="file" name="file" accept=".csv,text/csv" required>
        <button>Import</button></p>
    </form>
    <form method="post" action="/imports">
      <p class="row"><button class="quiet">Import 10,000 made-up contacts</button></p>
    </form>`,
  );
}

function contactList({ count, first }: Contacts): string {
  if (count === 0) return "<p>None yet.</p>";
  const rows = first.map(
    ({ name, email }) => `<tr><td>${escape(name)}</td><td>${escape(email)}</td></tr>`,
  );
  const more =
    count > first.length ? `<caption>and ${number(count - first.length)} more</caption>` : "";
  return `<table>${more}<thead><tr><th>Name</th><th>E-mail</th></tr></thead>
    <tbody>${rows.join("")}</tbody></table>`;
}

/** An import that is not done: not started, running, or without success. */
export function importPage(visitor: Visitor, run: Run): string {
  const path = `/imports/${run.id}`;
  if (run.state === "failed" || run.state === "cancelled")
    return page(
      "Import",
      visitor,
      `<h1>${run.state === "failed" ? "The import failed" : "The import was cancelled"}</h1>
      <p>${run.state === "failed" ? escape(run.error?.message ?? "") : "What was imported before is kept."}</p>
      <form class="row" method="post" action="${path}/retry"><button>Try again</button>
        <a href="/">Back to the contacts</a></form>`,
    );
  const { done = 0, total = 0 } = run.progress ?? {};
  const bar =
    total > 0 ? `<progress value="${done}" max="${total}"></progress>` : "<progress></progress>";
  const words = run.state === "running" ? "Running" : "Not started yet";
  return page(
    "Import",
    visitor,
    `<h1>Your contacts are being imported</h1>
    <job-progress src="${path}/events" next="${path}" waiting="Not started yet" label="Import">
      ${bar}
      <output>${total > 0 ? `${Math.floor((100 * done) / total)} %` : words}</output>
    </job-progress>
    <p>You may leave or close this page: the import goes on.</p>
    <form class="row" method="post" action="${path}/cancel"><button class="quiet">Cancel</button></form>
    <script type="module" src="/job-progress.js"></script>`,
    // Without JavaScript the page looks again by itself.
    `<noscript><meta http-equiv="refresh" content="1"></noscript>`,
  );
}

export function missingPage(visitor: Visitor): string {
  return page(
    "Not found",
    visitor,
    `<h1>There is no such import</h1><p><a href="/">Contacts</a></p>`,
  );
}

function page(title: string, { running }: Visitor, body: string, head = ""): string {
  const [first] = running;
  const badge =
    first === undefined
      ? ""
      : `<a class="badge" href="/imports/${first.id}">${running.length} import${running.length === 1 ? "" : "s"} running</a>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Rolodex</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
${head}
<body>
<header><a class="brand" href="/">Rolodex</a>${badge}</header>
<main>
${body}
</main>
`;
}

function importedBy({ result }: Run): number {
  const { imported = 0 } = (result ?? {}) as { imported?: number };
  return imported;
}

function number(value: number): string {
  return value.toLocaleString("en");
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
