import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { type ActRequest, commandOf, lineOf } from "../messages.ts";
import { post } from "./session.ts";

/** The effect of each verb, for a person who is about to use it. */
const MEANINGS: Readonly<Record<ActRequest["verb"], string>> = {
  start: "Starts its processes and waits until they are ready.",
  stop: "Drains and stops its processes. Clients wait or are refused until it is started.",
  restart: "Stops its processes, then starts them again; requests wait in the socket.",
  reload: "Starts new processes, waits until they are ready, then drains the old ones.",
  scale: "Sets the number of its processes until the next `newel up`.",
  rollback: "Switches the services of the app back to this release.",
  release: "The owner finishes its calls and saves; the next process that asks becomes the owner.",
  retry: "Puts the run into its queue again, with all of its attempts.",
  cancel: "Cancels the run; a running handler gets a signal.",
  "retry all": "Puts every failed run that the filters find into its queue again.",
  pause: "Starts no further run of the queue; running ones continue.",
  resume: "Starts runs of the queue again.",
  drain: "Removes the waiting runs of the queue for good; running ones continue.",
};

/** Verbs that take something away. */
const DANGEROUS: ReadonlySet<ActRequest["verb"]> = new Set(["stop", "drain", "cancel", "release"]);

/** `Restart web`, `Retry all` */
function titleOf(request: ActRequest): string {
  const { verb } = request;
  const title = `${verb[0]?.toUpperCase()}${verb.slice(1)}`;
  switch (verb) {
    case "rollback":
      return `Roll ${request.app} back to release ${request.release}`;
    case "release":
      return `Release ${request.id}`;
    case "retry":
    case "cancel":
      return `${title} ${request.run}`;
    case "retry all":
      return "Retry all failed runs";
    case "pause":
    case "resume":
    case "drain":
      return `${title} ${request.queue}`;
    case "start":
    case "stop":
    case "restart":
    case "reload":
    case "scale":
      return `${title} ${request.service}`;
  }
}

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
            <button type="submit" class={DANGEROUS.has(request.verb) ? "danger" : "primary"}>
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
  return (
    <>
      <h2 id="confirm-title">{titleOf(request)}?</h2>
      <p>{MEANINGS[request.verb]}</p>
      {request.verb === "scale" && (
        <label>
          Processes{" "}
          <input
            type="number"
            min={0}
            max={10_000}
            required
            value={request.replicas}
            onInput={({ currentTarget: { valueAsNumber } }) =>
              change({ ...request, replicas: valueAsNumber || 0 })
            }
          />
        </label>
      )}
      <p class="command">
        <code>{lineOf(commandOf(request))}</code>
      </p>
    </>
  );
}
