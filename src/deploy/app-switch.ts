import { hasCode, messageOf } from "../base/errors.ts";
import type { KernelClient } from "../kernel/client-api.ts";
import type { Progress, SupervisorApi } from "../supervisor/api.ts";
import { parseStoredApp } from "../supervisor/app.ts";
import type { ResolvedConfig } from "../supervisor/config/resolved.ts";
import { appValueName } from "../supervisor/process-names.ts";
import type { Remote } from "../wire/contract.ts";

/** The daemons of a home, which may end and come back during a deploy. */
export interface Daemons {
  readonly kernel: KernelClient;
  /** The supervisor of this moment; one is started where none runs. */
  readonly supervisor: () => Promise<Remote<SupervisorApi>>;
}

/** The supervisor's refusal or failure of a switch. */
export class SwitchFailed extends Error {
  /** The message says that the services of before run. */
  readonly saysState: boolean;
  /** The supervisor could not bring back the services of before. */
  readonly isHalfway: boolean;

  constructor(message: string, codes: ReadonlySet<string>) {
    super(message);
    this.saysState = codes.has("NEWEL_E_UP_FAILED");
    this.isHalfway = codes.has("NEWEL_E_NOT_RESTORED");
  }
}

/** How often the way back is tried when the supervisor ends during it. */
const TRIES = 3;

/** The running configuration of one app: reads it, replaces it, and brings a former one back. */
export class AppSwitch {
  readonly #app: string;
  readonly #daemons: Daemons;
  readonly #say: (text: string) => void;

  constructor(app: string, daemons: Daemons, say: (text: string) => void) {
    this.#app = app;
    this.#daemons = daemons;
    this.#say = say;
  }

  /** The kernel's value with the app; `undefined` when it is not up. */
  stored(): Promise<string | undefined> {
    return this.#daemons.kernel.values.get(appValueName(this.#app));
  }

  /** The configuration that the app runs now. */
  async running(): Promise<ResolvedConfig | undefined> {
    return configOf(await this.stored());
  }

  /**
   * Replaces the services of the app by those of a configuration. It is a transaction of the supervisor.
   *
   * @throws SwitchFailed when that failed, NEWEL_E_CONNECTION_LOST when the supervisor ended during it
   */
  async to(config: ResolvedConfig): Promise<void> {
    const failures: Extract<Progress, { type: "failed" }>[] = [];
    let ok = false;
    const supervisor = await this.#daemons.supervisor();
    for await (const event of supervisor.up(config, { wait: true, move: true })) {
      if (event.type === "end") ok = event.ok;
      else if (event.type === "failed") failures.push(event);
      else if (event.type === "step" || event.type === "note") this.#say(`  ${event.text}`);
    }
    if (ok) return;
    for (const { lines, process, service } of failures) {
      if (lines.length === 0) continue;
      this.#say(`The last lines of ${process ?? service}:`);
      for (const line of lines) this.#say(`  | ${line}`);
    }
    const why = failures.map(({ message }) => message).join(" ") || "the supervisor refused it";
    throw new SwitchFailed(why, new Set(failures.map(({ code }) => code)));
  }

  /**
   * Brings the app back to the state before a deploy, unless another command has changed the app since. It may be
   * called when the app is in that state already.
   *
   * @param before - the app's value of the kernel at that time
   * @param file - the configuration file of the release
   * @returns the state of the app, as a sentence
   */
  async back(before: string | undefined, file: string): Promise<string> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#back(configOf(before), file);
      } catch (error) {
        if (!hasCode(error, "NEWEL_E_CONNECTION_LOST") || tries === TRIES)
          return `Switching back failed too: ${messageOf(error)}`;
      }
    }
  }

  async #back(before: ResolvedConfig | undefined, file: string): Promise<string> {
    const stored = await this.stored();
    if (stored === undefined)
      return before === undefined ? NOT_UP : "The app was taken down during the deploy.";
    const now = configOf(stored);
    if (now !== undefined && now.file !== file && now.file !== before?.file)
      return `The app was given ${now.file} during the deploy, and runs that.`;
    if (before === undefined) {
      this.#say(`Taking ${this.#app} down.`);
      const supervisor = await this.#daemons.supervisor();
      for await (const event of supervisor.down(this.#app))
        if (event.type === "failed") throw new Error(event.message);
      return NOT_UP;
    }
    this.#say(`Switching ${this.#app} back.`);
    await this.to(before);
    return AS_BEFORE;
  }
}

const NOT_UP = "The app is not up, as before.";
const AS_BEFORE = "The app runs as before.";

/** The state of an app that a deploy has not touched, as a sentence. */
export function untouched(before: string | undefined): string {
  return before === undefined ? NOT_UP : AS_BEFORE;
}

function configOf(stored: string | undefined): ResolvedConfig | undefined {
  if (stored === undefined) return undefined;
  const { config, ending } = parseStoredApp(stored, 0);
  // A first `up` that is under way, or a `down`.
  return ending === true ? undefined : config;
}
