/** Returns whether a letter shows nothing and changes how the others are shown. */
export function isInvisibleOrder(letter: string): boolean {
  return INVISIBLE_ORDER.test(letter);
}

const INVISIBLE_ORDER = /[\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;

/**
 * Returns a name as people may see it: nothing in it moves the cursor, ends the line or turns the
 * direction of writing around. The same signs as in the app's listing.
 */
export function shown(name: string): string {
  let text = "";
  for (const letter of name) {
    const code = letter.codePointAt(0) ?? 0;
    if (code < 0x20) {
      text += String.fromCharCode(0x2400 + code);
    } else if (code === 0x7f) {
      text += "\u2421";
    } else if ((code >= 0x80 && code < 0xa0) || isInvisibleOrder(letter)) {
      text += `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
    } else {
      text += letter;
    }
  }
  return text;
}

/** Compares names as people count: `2` before `10`. */
export function compareNames(left: string, right: string): number {
  return NATURAL.compare(left, right) || (left < right ? -1 : left > right ? 1 : 0);
}

const NATURAL = new Intl.Collator("en", { numeric: true });
