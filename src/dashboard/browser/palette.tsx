import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { type ActRequest, SERVICE_VERBS } from "../messages.ts";
import { ask } from "./confirm.tsx";
import { go, logsLink, serviceLink } from "./router.ts";
import { state } from "./store.ts";

interface Entry {
  readonly title: string;
  readonly run: () => void;
}

const SHOWN = 12;

/** Ctrl-K: every view, service and action by a few letters. */
export function Palette({ views }: { views: readonly (readonly [string, string])[] }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const search = (next: string): void => {
    setText(next);
    setAt(0);
  };
  useKeys(() => {
    search("");
    dialog.current?.showModal();
  });
  const words = text.toLowerCase().split(/\s+/);
  const found = entriesOf(views)
    .filter(({ title }) => words.every((word) => title.toLowerCase().includes(word)))
    .slice(0, SHOWN);
  const choose = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    dialog.current?.close();
    entry.run();
  };
  return (
    <dialog ref={dialog} class="palette" aria-label="Go to">
      <input
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length === 0 ? undefined : `palette-${at}`}
        aria-label="View, service or action"
        placeholder="view, service or action"
        value={text}
        onInput={({ currentTarget }) => search(currentTarget.value)}
        onKeyDown={(event) => {
          const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
          if (event.key === "Enter") {
            // Otherwise the key would press the button that has the focus in the next dialog.
            event.preventDefault();
            choose(found[at]);
          }
          if (step === 0 || found.length === 0) return;
          event.preventDefault();
          setAt((at + step + found.length) % found.length);
        }}
      />
      <Found found={found} at={at} choose={choose} />
    </dialog>
  );
}

/** Ctrl-K opens the palette, and `/` goes to the search field of the view. */
function useKeys(open: () => void): void {
  useEffect(() => {
    const listener = (event: KeyboardEvent): void => {
      const { target, key } = event;
      const isTyping = target instanceof HTMLElement && target.matches("input, select, textarea");
      if (key === "k" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        open();
      } else if (key === "/" && !isTyping) {
        const search = document.querySelector<HTMLInputElement>("[data-search]");
        if (search === null) return;
        event.preventDefault();
        search.focus();
      }
    };
    addEventListener("keydown", listener);
    return () => removeEventListener("keydown", listener);
  }, []);
}

function Found(props: {
  found: readonly Entry[];
  at: number;
  choose: (entry: Entry) => void;
}): JSX.Element {
  return (
    <ul id="palette-list" role="listbox" aria-label="Found">
      {props.found.map((entry, index) => (
        <li
          key={entry.title}
          id={`palette-${index}`}
          role="option"
          aria-selected={index === props.at}
          onClick={() => props.choose(entry)}
        >
          {entry.title}
        </li>
      ))}
    </ul>
  );
}

function entriesOf(views: readonly (readonly [string, string])[]): Entry[] {
  const services = [...state.services.values()];
  const acts = state.about?.readOnly === false ? SERVICE_VERBS : [];
  return [
    ...views.map(([title, link]) => ({ title, run: () => go(link) })),
    ...services.map(({ app, name }) => ({
      title: `${app}/${name}`,
      run: () => go(serviceLink(app, name)),
    })),
    ...services.map(({ app, name }) => ({
      title: `logs ${app}/${name}`,
      run: () => go(logsLink(app, name)),
    })),
    ...acts.flatMap((verb) =>
      services.map(({ app, name, replicas }) => {
        const request: ActRequest = {
          verb,
          app,
          service: name,
          ...(verb === "scale" ? { replicas } : {}),
        };
        return { title: `${verb} ${app}/${name}…`, run: () => ask(request) };
      }),
    ),
  ];
}
