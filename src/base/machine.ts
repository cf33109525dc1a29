/**
 * A state machine as data: for each state, the legal events and the state that each event leads to. A table
 * cannot omit a state, because the compiler requires every one.
 */
export type Transitions<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

/** The state that `event` leads to, or `undefined` where the table does not allow it. */
export function nextState<State extends string, Event extends string>(
  table: Transitions<State, Event>,
  state: State,
  event: Event,
): State | undefined {
  return table[state][event];
}
