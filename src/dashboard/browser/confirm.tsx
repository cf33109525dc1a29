import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { type ActRequest, commandOf } from "../messages.ts";
import { post } from "./session.ts";

/** What each verb does, for a person who is about to use it. */
const MEANINGS: Readonly<Record<ActRequest["verb"], string>> = {
  start: "Starts its processes and waits until they are ready.",
  stop: "Drains and stops its processes. Clients wait or are refused until it is started.",
  restart: "Stops its processes, then starts them again; requests wait in the socket.",
  reload: "Starts new processes, waits until they are ready, then drains the old ones.",
  scale: "Sets the number of its processes until the next `newel up`.",
};

let asked: ((request: ActRequest) => void) | undefined;

/** Shows the command line of an action and runs it when it is confirmed. */
export function ask(request: ActRequest): void {
  asked?.(request);
}

export function Confirm(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [request, setRequest] = useState<ActRequest>();
  const [refusal, setRefusal] = useState("");
  useEffect(() => {
    asked = (next) => {
      setRequest(next);
      setRefusal("");
      dialog.current?.showModal();
    };
  }, []);
  const close = (): void => dialog.current?.close();
  const run = async (wanted: ActRequest): Promise<void> => {
    try {
      await post("/api/act", wanted);
      close();
    } catch (error) {
      setRefusal(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title">
      {request !== undefined && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void run(request);
          }}
        >
          <Question request={request} change={setRequest} />
          {refusal !== "" && (
            <p class="refusal" role="alert">
              {refusal}
            </p>
          )}
          <p class="actions end">
            <button type="button" onClick={close}>
              Cancel
            </button>
            <button type="submit" class={request.verb === "stop" ? "danger" : "primary"}>
              Run
            </button>
          </p>
        </form>
      )}
    </dialog>
  );
}

function Question(props: {
  request: ActRequest;
  change: (request: ActRequest) => void;
}): JSX.Element {
  const { request, change } = props;
  const { verb, service, replicas } = request;
  return (
    <>
      <h2 id="confirm-title">
        {verb[0]?.toUpperCase()}
        {verb.slice(1)} {service}?
      </h2>
      <p>{MEANINGS[verb]}</p>
      {verb === "scale" && (
        <label>
          Processes{" "}
          <input
            type="number"
            min={0}
            max={10_000}
            required
            value={replicas}
            onInput={({ currentTarget: { valueAsNumber } }) =>
              change({ ...request, replicas: valueAsNumber || 0 })
            }
          />
        </label>
      )}
      <p class="command">
        <code>newel {commandOf(request).join(" ")}</code>
      </p>
    </>
  );
}
