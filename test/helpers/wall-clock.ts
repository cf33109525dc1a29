import { globSync, writeFileSync } from "node:fs";

const FAKETIME = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1")[0];

/** Why the wall clock cannot be stepped here; `false` when it can. */
export const withoutFaketime: string | false =
  FAKETIME === undefined ? "libfaketime is missing: apt-get install libfaketime" : false;

/** The wall clock of a group of processes: a file that all of them read has its difference from the clock of the machine. */
export class WallClock {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
    this.step(0);
  }

  /**
   * The environment of a process that has this clock. Its monotonic clock, and the times of files, are those of the
   * machine.
   */
  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: FAKETIME ?? "",
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    };
  }

  /** Sets the difference from the clock of the machine. */
  step(seconds: number): void {
    writeFileSync(this.#file, `${seconds < 0 ? "" : "+"}${seconds}s`);
  }
}
