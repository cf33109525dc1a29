import type { Run } from "../api.ts";
import { JSON_HEADERS, look, type Looks, refusal, type Viewer } from "./viewer.ts";

/** What a browser is told of a run: all but the input and whose it is. */
type RunStatus = Omit<Run, "input" | "by" | "key">;

/**
 * A run as JSON: 200, 403 when it is somebody else's, 404 when there is none.
 *
 * @param options.by - whose runs may be seen; `undefined` sees none
 */
export async function status(
  looks: Looks,
  id: string,
  { by }: { readonly by: Viewer | undefined },
): Promise<Response> {
  try {
    const { input: _, by: __, key: ___, ...told } = await look(looks, id, by);
    const body: RunStatus = told;
    return new Response(JSON.stringify(body), { headers: JSON_HEADERS });
  } catch (error) {
    const { status, body } = refusal(error);
    return new Response(body, { status, headers: JSON_HEADERS });
  }
}
