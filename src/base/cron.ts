import { counted } from "./counted.ts";

/** The range of each field, seconds first; an expression of five fields has no seconds. */
const FIELDS = [
  { name: "seconds", size: 60 },
  { name: "minutes", size: 60 },
  { name: "hours", size: 24 },
  { name: "days of the month", size: 31 },
  { name: "months", size: 12 },
  { name: "days of the week", size: 7 },
] as const;

/**
 * The reason why a text is not a cron expression; `undefined` when its form is right. Numbers and names within the
 * fields are left to the parser that runs the schedule.
 */
export function cronProblem(cron: unknown): string | undefined {
  if (typeof cron !== "string") return "it is no text";
  const fields = cron.trim() === "" ? [] : cron.trim().split(/\s+/);
  if (fields.length !== 5 && fields.length !== 6)
    return `it has ${counted(fields.length, "field")}`;
  const named = FIELDS.slice(6 - fields.length);
  for (const [at, { name, size }] of named.entries()) {
    const field = fields[at] ?? "";
    // "H" means a random number, which differs each time the expression is parsed.
    if (/h/i.test(field.replaceAll(/thu/gi, ""))) return `"${field}" is no value for the ${name}`;
    const steps = [...field.matchAll(/\/(\d+)/g)].map(([, step]) => Number(step));
    const tooLarge = steps.find((step) => step > size);
    if (tooLarge !== undefined)
      return `"${field}" has a step of ${tooLarge}, and there are only ${size} ${name}`;
  }
  return undefined;
}

/** The hint of errors about a rejected cron expression. */
export const CRON_FORM = 'five fields, such as "0 3 * * *", or six with seconds in front';
