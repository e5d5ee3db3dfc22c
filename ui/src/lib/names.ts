/** How many characters a title or a person's name may have; the app has the same rule. */
export const NAME_LENGTH = 60;

/** Returns whether a trimmed name is neither empty nor too long. */
export function isNameFine(name: string): boolean {
  const length = [...name].length;
  return length > 0 && length <= NAME_LENGTH;
}
