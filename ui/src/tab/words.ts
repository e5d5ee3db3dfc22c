import { printable } from "../lib/printable";
import de from "./locales/de.json";
import en from "./locales/en.json";

type Words = typeof en;
type Forms = { readonly other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;

/** What can be said. */
export type Key = keyof Words;

/** Every language there is; English is the one that must have every word. */
export const LOCALES: { readonly [locale: string]: Words } = { en, de };

let current = "en";

/** Speaks the first of the wanted languages that there is, else English; the page is told. */
export function speak(wanted: readonly string[]) {
  const languages = wanted.map((tag) => tag.toLowerCase().split("-")[0] ?? "");
  current = languages.find((language) => Object.hasOwn(LOCALES, language)) ?? "en";
  document.documentElement.lang = current;
}

/** Says something. `{name}` stands for a value; `count` also chooses the plural form. */
export function t(key: Key, values: { readonly [name: string]: string | number } = {}): string {
  const leaf: string | Forms = (LOCALES[current] ?? en)[key];
  const form = new Intl.PluralRules(current).select(Number(values.count ?? 0));
  const text = typeof leaf === "string" ? leaf : (leaf[form] ?? leaf.other);
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? number(value, 0) : printable(value);
  });
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Returns a number of bytes for people, in decimal units: `3.1 MB`. */
export function bytes(count: number): string {
  let unit = 0;
  let amount = count;
  // 999.95 would be rounded to "1,000".
  while (amount >= (unit === 0 ? 1000 : 999.95) && unit < UNITS.length - 1) {
    amount /= 1000;
    unit += 1;
  }
  return `${number(amount, unit === 0 || amount >= 99.95 ? 0 : 1)}\u00a0${UNITS[unit]}`;
}

/** Returns a share as percent, rounded down: what is not done never reads 100 %. */
export function percent(part: number): string {
  const whole = Math.floor(part * 100) / 100;
  return new Intl.NumberFormat(current, { style: "percent" }).format(whole);
}

/** Returns a time to wait for people, as coarse as it is uncertain. */
export function timeLeft(seconds: number): string {
  if (seconds < 55) {
    return t("secondsLeft", { count: Math.max(5, Math.round(seconds / 5) * 5) });
  }
  const minutes = Math.max(1, Math.round(seconds / 60));
  return minutes < 60
    ? t("minutesLeft", { count: minutes })
    : t("hoursLeft", { count: Math.round(minutes / 60) });
}

function number(value: number, digits: number): string {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(current, format).format(value);
}
