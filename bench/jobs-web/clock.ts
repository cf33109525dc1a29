/** Milliseconds since 1970 with their fractions; a page of Chromium reckons the same way. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** The number of progress reports in a row, and the time between them: well below the 10/s that are stored. */
export const TOLD = 60;
export const APART_MS = 200;
