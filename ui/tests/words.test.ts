import { render, screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import App from "../src/App.svelte";
import type { Language } from "../src/generated/bindings";
import type { Backend } from "../src/lib/backend";
import { isLanguage, LOCALES, locale, printable, t } from "../src/lib/words";
import { open } from "./open";

type Leaf = string | { [form: string]: string };

/** Returns every word of a language as `group.name`, with the forms of each. */
function leaves(language: Language): Map<string, Leaf> {
  const found = new Map<string, Leaf>();
  for (const [group, words] of Object.entries(LOCALES[language])) {
    for (const [name, leaf] of Object.entries(words as { [name: string]: Leaf })) {
      found.set(`${group}.${name}`, leaf);
    }
  }
  return found;
}

function texts(leaf: Leaf): string[] {
  return typeof leaf === "string" ? [leaf] : Object.values(leaf);
}

function placeholders(text: string): string[] {
  return [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "").sort();
}

describe.each(Object.keys(LOCALES) as Language[])("the words of %s", (language) => {
  const english = leaves("en");
  const words = leaves(language);

  it("are complete, and no more", () => {
    expect([...words.keys()].sort()).toEqual([...english.keys()].sort());
  });

  it("leave no word empty", () => {
    for (const [key, leaf] of words) {
      for (const text of texts(leaf)) {
        expect(text.trim(), key).not.toBe("");
      }
    }
  });

  it("have every plural form of the language", () => {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
    for (const [key, leaf] of words) {
      expect(typeof leaf, key).toBe(typeof english.get(key));
      if (typeof leaf !== "string") {
        expect(Object.keys(leaf).sort(), key).toEqual(forms);
      }
    }
  });

  it("have the same places for values", () => {
    for (const [key, leaf] of words) {
      const wanted = placeholders(texts(english.get(key) ?? "").at(-1) ?? "");
      for (const text of texts(leaf)) {
        expect(placeholders(text), key).toEqual(wanted);
      }
    }
  });
});

describe("every word", () => {
  const sources = import.meta.glob("../src/**/*.{svelte,ts}", {
    eager: true,
    query: "?raw",
    import: "default",
  }) as { [path: string]: string };
  const all = Object.values(sources).join("\n");

  it("is used somewhere", () => {
    for (const key of leaves("en").keys()) {
      const [group, name] = key.split(".") as [string, string];
      const isBuilt =
        (group === "connection" && ["connected", "connecting", "lost"].includes(name)) ||
        (group === "way" && !["lookAgain", "better", "refused", "tried"].includes(name)) ||
        (group === "account" && ["done", "running", "failed", "waiting"].includes(name)) ||
        ["step", "trouble"].includes(group) ||
        (group === "sites" && ["on", "off", "paused"].includes(name));
      expect(isBuilt || all.includes(`"${key}"`), key).toBe(true);
    }
  });

  it("stands in locales, not in the parts", () => {
    for (const [path, source] of Object.entries(sources)) {
      if (path.endsWith(".svelte") && !path.includes("/pretend/")) {
        const markup = source
          .replace(/<script[\s\S]*?<\/script>|<style[\s\S]*?<\/style>|<!--[\s\S]*?-->/g, "")
          .replace(/\{[#@:/][^}]*\}/g, "");
        expect(markup, path).not.toMatch(/(aria-label|title|placeholder)="[^"{]*[A-Za-z]/);
        expect(markup, path).not.toMatch(/>\s*[A-Z][a-z]+[^<{]*</);
      }
    }
  });

  it("crosses one door only", () => {
    for (const [path, source] of Object.entries(sources)) {
      if (!path.endsWith("/lib/backend.ts")) {
        expect(source, path).not.toContain("@tauri-apps/");
      }
      expect(source, path).not.toContain("{@html");
      expect(source, path).not.toMatch(/\sstyle="/);
    }
  });
});

describe("the language", () => {
  it.each(
    Object.entries({ de: "Ordner zum Veröffentlichen wählen", en: "Choose a folder to publish" }),
  )("is %s when the app says so", async (language, name) => {
    open("empty", { language: language as Language });
    expect(await screen.findByRole("button", { name })).toBeTruthy();
    expect(locale()).toBe(language);
    expect(document.documentElement.lang).toBe(language);
  });

  it("is not guessed before the app says it", () => {
    const silent: Backend = { ask: async () => {}, watch: () => new Promise(() => {}) };
    const { container } = render(App, { props: { backend: silent } });
    expect(container.textContent.trim()).toBe("Veranda");
  });

  it("counts", () => {
    expect(t("sites.visitors", { count: 1 })).toBe("1 visitor");
    expect(t("sites.visitors", { count: 4321 })).toBe("4,321 visitors");
  });

  it("misses no value", () => {
    expect(() => t("sites.added")).toThrow(/name/);
  });
});

describe("text from outside", () => {
  it("shows what would turn or break a line", () => {
    expect(printable("a\u202eb\u2066c\nd\u0007")).toBe("a\u{FFFD}b\u{FFFD}c\u{FFFD}d\u{FFFD}");
    expect(printable("Grüße 🌻 שלום")).toBe("Grüße 🌻 שלום");
  });

  it("is fenced in where it runs the other way", () => {
    expect(t("sites.added", { name: "שלום" })).toBe("“\u2068שלום\u2069” is published.");
    expect(t("sites.added", { name: "x\u2069y" })).toBe("“x\u{FFFD}y” is published.");
    expect(t("sites.added", { name: "Photos" })).toBe("“Photos” is published.");
  });

  it("is no template", () => {
    expect(t("sites.added", { name: "{name} $& $1" })).toBe("“{name} $& $1” is published.");
  });
});

it("knows which words are languages of the app", () => {
  expect(["de", "en", "fr", "toString", "", null].filter(isLanguage)).toEqual(["de", "en"]);
});
