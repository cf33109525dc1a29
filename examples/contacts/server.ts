/**
 * A site on which people import their contacts, which takes long: the work goes to the job server, the
 * answer comes at once, and the page shows how far it is, with JavaScript or without.
 *
 *   npx newel up                                # or, without newel's supervisor:
 *   npx newel jobs server --modules jobs.ts &
 *   PORT=3000 node server.ts
 *
 * (In a project of your own the import is from "newel/jobs".)
 */
import { readFileSync } from "node:fs";

import fastify, { type FastifyRequest } from "fastify";

import { jobs } from "../../src/jobs/index.ts";
import { countContacts, firstContacts } from "./contacts.ts";
import { importContacts } from "./jobs.ts";
import { homePage, importPage, missingPage, type Visitor } from "./pages.ts";
import { newSession, sessionUser } from "./sessions.ts";
import { keepUpload, sampleCsv } from "./uploads.ts";

declare module "fastify" {
  interface FastifyRequest {
    user: string;
  }
}

interface ById {
  Params: { id: string };
}

const app = fastify({ bodyLimit: 10_000_000 });
app.addHook("onClose", () => jobs.close());

app.decorateRequest("user", "");
app.addHook("onRequest", async (request, reply) => {
  const known = sessionUser(request.headers.cookie);
  if (known !== undefined) {
    request.user = known;
    return;
  }
  const { user, cookie } = newSession();
  request.user = user;
  void reply.header("set-cookie", cookie);
});

// Node.js itself can read forms, with files or without.
app.addContentTypeParser(
  ["multipart/form-data", "application/x-www-form-urlencoded"],
  { parseAs: "buffer" },
  (request: FastifyRequest, body: Buffer) =>
    new Response(body, {
      headers: { "content-type": request.headers["content-type"] ?? "" },
    }).formData(),
);

for (const [path, file, type] of [
  ["/style.css", new URL("page/style.css", import.meta.url), "text/css"],
  ["/job-progress.js", import.meta.resolve("newel/jobs/element"), "text/javascript"],
] as const) {
  const content = readFileSync(new URL(file));
  app.get(path, async (_request, reply) => reply.type(type).send(content));
}

app.get<{ Querystring: { imported?: string } }>("/", async (request, reply) => {
  const { imported } = request.query;
  const by = request.user;
  const run = imported === undefined ? undefined : await jobs.get(imported, { by });
  const contacts = { count: countContacts(by), first: firstContacts(by, 8) };
  return html(reply).send(homePage(await visitor(by), contacts, run));
});

app.get("/sample.csv", async (_request, reply) =>
  reply
    .type("text/csv")
    .header("content-disposition", 'attachment; filename="contacts.csv"')
    .send(sampleCsv()),
);

app.post("/imports", async (request, reply) => {
  const file = (request.body as FormData | undefined)?.get("file");
  const csv = file instanceof File && file.size > 0 ? await file.text() : sampleCsv();
  const input = { owner: request.user, upload: await keepUpload(csv) };
  const run = await importContacts.enqueue(input, { by: request.user });
  return reply.redirect(`/imports/${run.id}`, 303);
});

app.get<ById>("/imports/:id", async ({ params: { id }, user: by }, reply) => {
  const run = await jobs.get(id, { by });
  if (run === undefined) return html(reply.code(404)).send(missingPage(await visitor(by)));
  if (run.state === "done") return reply.redirect(`/?imported=${id}`, 303);
  return html(reply).send(importPage(await visitor(by), run));
});

app.get<ById>("/imports/:id/events", (request) =>
  jobs.sse(request.params.id, { by: request.user, request }),
);

app.get<ById>("/imports/:id/status", async ({ params: { id }, user: by }) =>
  jobs.status(id, { by }),
);

app.post<ById>("/imports/:id/cancel", async ({ params: { id }, user: by }, reply) => {
  await jobs.cancel(id, { by });
  return reply.redirect(`/imports/${id}`, 303);
});

app.post<ById>("/imports/:id/retry", async ({ params: { id }, user: by }, reply) => {
  await jobs.retry(id, { by });
  return reply.redirect(`/imports/${id}`, 303);
});

app.get("/healthz", async () => "ok");

async function visitor(by: string): Promise<Visitor> {
  const { runs } = await jobs.list({ by, active: true });
  return { running: runs };
}

function html<
  Reply extends { type(type: string): Reply; header(name: string, value: string): Reply },
>(reply: Reply): Reply {
  return reply.type("text/html; charset=utf-8").header("cache-control", "no-store");
}

const address = await app.listen({ port: Number(process.env["PORT"] ?? 3000), host: "127.0.0.1" });
console.log(`Contacts at ${address}`);
