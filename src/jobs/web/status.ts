import type { Run } from "../api.ts";
import { JSON_HEADERS, look, type Looks, refusal, type Viewer } from "./viewer.ts";

/** The fields of a run that a browser gets: all but the input, the owner, stacks and servers. */
type RunStatus = Omit<Run, "input" | "by" | "key" | "failures" | "server">;

/**
 * Answers with a run as JSON: 200, 403 when it belongs to another owner, 404 when there is none.
 *
 * @param options.by - the owner of the runs that may be seen; `undefined` sees none
 */
export async function status(
  looks: Looks,
  id: string,
  { by }: { readonly by: Viewer | undefined },
): Promise<Response> {
  try {
    const run = await look(looks, id, by);
    const { input: _, by: __, key: ___, failures: ____, server: _____, ...told } = run;
    const body: RunStatus = told;
    return new Response(JSON.stringify(body), { headers: JSON_HEADERS });
  } catch (error) {
    const { status, body } = refusal(error);
    return new Response(body, { status, headers: JSON_HEADERS });
  }
}
