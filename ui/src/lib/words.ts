import de from "../../locales/de.json";
import en from "../../locales/en.json";
import type { Language } from "../generated/bindings";
import { hasRightToLeft, printable } from "./printable";

export { hasRightToLeft, printable };

type Words = typeof en;
/** What can be said: `group.name`, as in the files of `locales/`. */
export type Key = {
  [Group in keyof Words & string]: `${Group}.${keyof Words[Group] & string}`;
}[keyof Words & string];

type Forms = { other: string } & Partial<{ [Form in Intl.LDMLPluralRule]: string }>;
type Leaf = string | Forms;

/** Every language that the app speaks; English is the one that must have every word. */
export const LOCALES: { readonly [language in Language]: Words } = { en, de };

let current: Language = "en";
let plural = new Intl.PluralRules(current);
let integer = new Intl.NumberFormat(current);

/** Returns whether this is a language that the app speaks. */
export function isLanguage(word: string | null): word is Language {
  return word !== null && Object.hasOwn(LOCALES, word);
}

/** Returns the language that is spoken now. */
export function locale(): Language {
  return current;
}

/** Speaks this language from now on; the page is told. Which one, the app says (`view.language`). */
export function speak(language: Language): void {
  current = language;
  plural = new Intl.PluralRules(current);
  integer = new Intl.NumberFormat(current);
  document.documentElement.lang = current;
  document.documentElement.dir = isRightToLeft(current) ? "rtl" : "ltr";
}

/**
 * Says something in the language of the owner. `{name}` stands for a value; `count` also chooses
 * the plural form. Text that runs from right to left is fenced in, so that a name from outside
 * cannot turn the sentence around it.
 */
export function t(key: Key, values: { [name: string]: string | number } = {}): string {
  const leaf = lookUp(key);
  const text =
    typeof leaf === "string" ? leaf : (leaf[plural.select(Number(values.count))] ?? leaf.other);
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) {
      throw new Error(`"${key}" needs a value for "${name}"`);
    }
    return typeof value === "number" ? integer.format(value) : fenced(printable(value));
  });
}

function fenced(text: string): string {
  const isForeign = hasRightToLeft(text) || document.documentElement.dir === "rtl";
  return isForeign ? `\u2068${text}\u2069` : text;
}

function isRightToLeft(language: string): boolean {
  return ["ar", "fa", "he", "ur"].includes(language);
}

function lookUp(key: Key): Leaf {
  const [group, name] = key.split(".") as [string, string];
  const words: { [group: string]: { [name: string]: Leaf } } = LOCALES[current];
  const leaf = words[group]?.[name];
  if (leaf === undefined) {
    throw new Error(`There is no word for "${key}" in "${current}"`);
  }
  return leaf;
}
