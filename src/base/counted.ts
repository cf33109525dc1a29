/**
 * A number with its noun for a message: `1 service`, `3 services`.
 *
 * @param plural - where it is not the singular with an "s": `processes`
 */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}
