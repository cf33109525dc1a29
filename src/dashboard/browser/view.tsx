import type { JSX } from "preact";
import { useEffect } from "preact/hooks";

import { commandOfView, keyOfView, lineOf, type ViewRequest } from "../messages.ts";
import { watch } from "./connect.ts";
import { Empty } from "./parts.tsx";
import { useStore } from "./store.ts";

/**
 * A view of the document that a command prints with `--json`: the same on the page as on the command line.
 *
 * @param draw - called with the document; its shape is the one of the command, which the server ran
 */
export function View(props: {
  title: string;
  request: ViewRequest;
  draw: (document: never) => JSX.Element;
}): JSX.Element {
  const { title, request, draw } = props;
  const { view } = useStore();
  const key = keyOfView(request);
  useEffect(() => {
    watch({ view: request });
  }, [key]);
  useEffect(() => () => watch({}), []);
  return (
    <>
      {title !== "" && <h1>{title}</h1>}
      {view?.key !== key ? (
        <Empty>Reading…</Empty>
      ) : view.error === undefined ? (
        draw(view.data as never)
      ) : (
        <p class="note">{view.error}</p>
      )}
      <p class="muted">
        <code>{lineOf(commandOfView(request))}</code> prints the same.
      </p>
    </>
  );
}
