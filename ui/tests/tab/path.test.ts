import { describe, expect, it } from "vitest";
import { isHidden, parsePath, pathPart } from "../../src/tab/site/path";

// The tables of crates/sites/src/folder/path.rs: both peers read a path in the same way.
describe("a path", () => {
  it.each([
    ["/", [], true],
    ["/a", ["a"], false],
    ["/a/", ["a"], true],
    ["/a/b%20c.txt", ["a", "b c.txt"], false],
    ["/%61%2E%74xt", ["a.txt"], false],
    ["/gr%C3%BC%C3%9Fe.txt", ["grüße.txt"], false],
    ["/...", ["..."], false],
    ["/a..b", ["a..b"], false],
    // Decoded once: the name has a percent sign in it.
    ["/%252e%252e", ["%2e%2e"], false],
    ["/%25%32%65", ["%2e"], false],
    ["/a%5Cb", ["a\\b"], false],
    ["/a:b", ["a:b"], false],
    ["/%EF%BB%BFa", ["\ufeffa"], false],
  ])("%s names what it says", (raw, names, slash) => {
    expect(parsePath(raw)).toEqual({ names, slash });
  });

  it.each([
    "",
    "*",
    "a",
    "..",
    "\\",
    "/.",
    "/..",
    "/../",
    "/a/..",
    "/a/../b",
    "/./a",
    "/%2e%2e",
    "/.%2e/",
    "/%2E%2E/x",
    "/..%2fetc",
    "/a%2fb",
    "/%2f",
    "/%2fetc/passwd",
    "/%00",
    "/a%00.txt",
    "/%",
    "/%4",
    "/%zz",
    "/%u002e",
    "/a%",
    "/..%2F..%2F",
    "/%2e%2e%2f",
  ])("%s is malformed", (raw) => {
    expect(parsePath(raw)).toBe("malformed");
  });

  it.each([
    "//",
    "///",
    "//etc/passwd",
    "/a//b",
    "//a/",
    "/a//",
    "/%FF%FE",
    "/%C0%AE%C0%AE",
    "/%E0%80%AE%E0%80%AE",
    "/%C0%AF",
    `/${"a/".repeat(4096)}`,
  ])("%s names nothing", (raw) => {
    expect(parsePath(raw)).toBe("nowhere");
  });
});

it.each([".env", "desktop.ini", "Desktop.INI", "Thumbs.db", ".DS_Store", "\u200c.env", "Icon\r"])(
  "%j is hidden",
  (name) => expect(isHidden(name)).toBe(true),
);

it.each(["a.b", "a.", "thumbs.db.txt", "icon", "\u00a0.a"])("%j is not hidden", (name) => {
  expect(isHidden(name)).toBe(false);
});

it.each([
  ["a b.txt", "a%20b.txt"],
  ["<script>alert(1)</script>", "%3Cscript%3Ealert%281%29%3C%2Fscript%3E"],
  ["javascript:alert(1)", "javascript%3Aalert%281%29"],
  ["a?b#c%d&e;f\\g'*!", "a%3Fb%23c%25d%26e%3Bf%5Cg%27%2A%21"],
  ["grüße", "gr%C3%BC%C3%9Fe"],
  // Half of a letter, as broken file systems have it.
  ["\ud800", "%EF%BF%BD"],
])("the name %j is written %s", (name, written) => {
  expect(pathPart(name)).toBe(written);
});
