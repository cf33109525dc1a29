import { newelError } from "./errors.ts";

const DURATION_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_BYTES = {
  B: 1,
  kB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
} as const;

/** A duration as in the configuration: `'500ms'`, `'10s'`, `'2m'`, `'1h'`, `'3d'`. */
export type Duration = `${number}${keyof typeof DURATION_MS}`;
/** A size as in the configuration: `'64kB'`, `'512MB'`, `'1GB'`. */
export type Size = `${number}${keyof typeof SIZE_BYTES}`;

/**
 * Reads a duration with its unit.
 *
 * @param text - such as `'10s'`
 * @param what - names the setting in the error
 * @returns milliseconds
 * @throws NEWEL_E_DURATION when the text is no duration
 */
export function durationMs(text: string, what = "The value"): number {
  const parsed = tryDurationMs(text);
  if (parsed === undefined)
    throw newelError("NEWEL_E_DURATION", { what, value: JSON.stringify(text) });
  return parsed;
}

/** Like {@link durationMs}, but returns `undefined` instead of throwing. */
export function tryDurationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const milliseconds = Number(match[1]) * DURATION_MS[match[2] as keyof typeof DURATION_MS];
  return milliseconds <= Number.MAX_SAFE_INTEGER ? Math.round(milliseconds) : undefined;
}

/**
 * Reads a size with its unit; kB, MB and GB are powers of 1000.
 *
 * @param text - such as `'512MB'`
 * @param what - names the setting in the error
 * @returns bytes
 * @throws NEWEL_E_SIZE when the text is no size
 */
export function sizeBytes(text: string, what = "The value"): number {
  const parsed = trySizeBytes(text);
  if (parsed === undefined) throw newelError("NEWEL_E_SIZE", { what, value: JSON.stringify(text) });
  return parsed;
}

/** Like {@link sizeBytes}, but returns `undefined` instead of throwing. */
export function trySizeBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(B|kB|MB|GB|KiB|MiB|GiB)$/.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * SIZE_BYTES[match[2] as keyof typeof SIZE_BYTES];
  return bytes <= Number.MAX_SAFE_INTEGER ? Math.round(bytes) : undefined;
}

/** A duration in readable form, two units at most: `'3d4h'`, `'9m'`, `'12s'`, `'350ms'`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.max(0, Math.round(milliseconds))}ms`;
  const parts = [
    ["d", Math.floor(milliseconds / DURATION_MS.d)],
    ["h", Math.floor(milliseconds / DURATION_MS.h) % 24],
    ["m", Math.floor(milliseconds / DURATION_MS.m) % 60],
    ["s", Math.floor(milliseconds / DURATION_MS.s) % 60],
  ] as const;
  const first = parts.findIndex(([, amount]) => amount > 0);
  return parts
    .slice(first, first + 2)
    .filter(([, amount]) => amount > 0)
    .map(([unit, amount]) => `${amount}${unit}`)
    .join("");
}

/** A size in readable form: `'141MB'`, `'64kB'`, `'1.2GB'`. */
export function formatSize(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)}GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)}MB`;
  if (bytes >= 1e3) return `${Math.round(bytes / 1e3)}kB`;
  return `${bytes}B`;
}
