/** Milliseconds since 1970 with their fractions; a page of Chromium reckons the same way. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** How many times progress is told in a row, and how far apart: well below the 10/s that are stored. */
export const TOLD = 60;
export const APART_MS = 200;
