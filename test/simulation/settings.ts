import type { ServiceMachine } from "../../src/supervisor/machine/service-machine.ts";
import type { Command, CommandFailure } from "../../src/supervisor/machine/types.ts";

/** The settings and the desired state of a service. */
export interface Settings {
  readonly hash: string;
  readonly up: boolean;
  readonly replicas: number;
}

export function settingsOf({ spec, wanted }: ServiceMachine): Settings {
  return { hash: spec.hash, up: wanted.up, replicas: wanted.replicas };
}

/** The result of a command by the documentation. */
export function settingsAfter(
  before: Settings,
  command: Command,
  failure: CommandFailure | undefined,
): Settings {
  switch (command.kind) {
    case "start":
    case "restart":
      return { ...before, up: true };
    case "stop":
      return { ...before, up: false };
    case "replace":
      return before;
    case "reload":
      return failure === undefined ? { ...before, up: true } : before;
    case "scale": {
      const asked = command.relative ? before.replicas + command.replicas : command.replicas;
      return failure === undefined ? { ...before, up: true, replicas: Math.max(0, asked) } : before;
    }
    case "apply": {
      const { spec, up, replicas } = command;
      return failure === undefined ? { hash: spec.hash, up, replicas } : before;
    }
  }
}
