/** Milliseconds since 1970 with their fractions; a page of Chromium reckons the same way. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** How many times progress is told in a row, and how far apart: never faster than it is stored. */
export const TOLD = 100;
export const APART_MS = 120;
