import { basename } from "node:path";

import type { Key } from "../config/problems.ts";
import { toConfig } from "./draft.ts";
import { translate } from "./read.ts";

/** A file of another tool as the value of a configuration. */
export interface Translated {
  readonly value: unknown;
  /** The file that was read and the settings that have no effect, for the operator. */
  readonly sentence: string;
  /** The line of the app that a setting of the configuration comes from. */
  lineOf(keys: readonly Key[]): number | undefined;
}

/**
 * Translates a file for `newel up` without a configuration of newel.
 *
 * @param file - absolute
 */
export async function loadTranslated(
  file: string,
  options: {
    readonly cwd: string;
    readonly environment: NodeJS.ProcessEnv;
    readonly base: string | undefined;
  },
): Promise<Translated> {
  const { translation } = await translate([file], { ...options, place: "beside" });
  const { services, notes, tool } = translation;
  const dropped = [
    ...new Set(notes.filter(({ kind }) => kind === "dropped").map(({ key }) => key)),
  ];
  const without = dropped.length === 0 ? "" : ` Without effect: ${dropped.join(", ")}.`;
  return {
    value: toConfig(translation, options.environment),
    sentence: `Reading ${basename(file)} (${tool}): ${services.map(({ name }) => name).join(", ")}.${without} \`newel init\` writes a newel.config.ts from it.`,
    lineOf: ([first, name]) =>
      first === "services" ? services.find((service) => service.name === name)?.line : undefined,
  };
}
