/**
 * Returns text from outside so that it shows what it is: control characters and those that turn
 * the direction of writing become a visible sign, for they can make one name look like another.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "\u{FFFD}");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Returns whether any of the text is written from right to left. */
export function hasRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(text);
}

const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
