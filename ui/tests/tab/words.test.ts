import { expect, it } from "vitest";
import { bytes, LOCALES, percent, speak, t, timeLeft } from "../../src/tab/words";

/** Returns the places to fill in a text or its plural forms. */
function places(leaf: unknown): string[] {
  return [...new Set(JSON.stringify(leaf).match(/\{\w+\}/g) ?? [])].sort();
}

it.each(Object.keys(LOCALES))("%s has every word, with the same places to fill", (locale) => {
  const [these, english] = [LOCALES[locale] ?? {}, LOCALES.en ?? {}];
  expect(Object.keys(these)).toEqual(Object.keys(english));
  for (const [key, leaf] of Object.entries(english)) {
    const other = (these as { [key: string]: unknown })[key];
    expect(places(other), key).toEqual(places(leaf));
    expect(typeof other, key).toBe(typeof leaf);
    expect(JSON.stringify(other), key).not.toContain('""');
  }
});

it("speaks the first language that it can", () => {
  speak(["fr", "de-AT", "en"]);
  expect([t("connected"), document.documentElement.lang]).toEqual(["Verbunden", "de"]);
  expect([bytes(3_100_000), percent(0.999)]).toEqual(["3,1\u00a0MB", "99\u00a0%"]);
  speak(["constructor"]);
  expect([t("visitors", { count: 1 }), t("visitors", { count: 2 })]).toEqual([
    "1 visitor so far",
    "2 visitors so far",
  ]);
});

it("shows names of files as they are, and nothing of what they want to be", () => {
  expect(t("saidCut", { name: "a\u202eb\n" })).toContain("a\ufffdb\ufffd");
});

it.each([
  [0, "0\u00a0B"],
  [999, "999\u00a0B"],
  [1000, "1.0\u00a0kB"],
  [999_960, "1.0\u00a0MB"],
  [104_857_600, "105\u00a0MB"],
])("%d bytes are %s", (count, text) => {
  speak(["en"]);
  expect(bytes(count)).toBe(text);
});

it.each([
  [1, "about 5 seconds left"],
  [31, "about 30 seconds left"],
  [56, "about 1 minute left"],
  [7200, "about 2 hours left"],
])("%d seconds are %s", (seconds, text) => {
  speak(["en"]);
  expect(timeLeft(seconds)).toBe(text);
});
