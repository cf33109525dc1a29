import type { Options } from "./command.ts";

export const WAIT_OPTION: Options = {
  wait: { summary: "wait until no other process serves the home, instead of failing" },
};
