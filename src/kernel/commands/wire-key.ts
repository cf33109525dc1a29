/** The settings for which papa's word differs from newel's. */
const PAPAS: Readonly<Record<string, string>> = { rlimits: "rlimit" };

/** How a setting is written in requests: `workingDir` is `working_dir`. */
export function wireKey(key: string): string {
  return PAPAS[key] ?? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
