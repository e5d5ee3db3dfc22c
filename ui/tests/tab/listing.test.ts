import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { listing, sizeText } from "../../src/tab/site/listing";
import { shown } from "../../src/tab/site/names";

function file(name: string, size = 5) {
  return { name, isFolder: false, size, modified: Date.UTC(2026, 10, 21, 8) };
}

function folder(name: string) {
  return { name, isFolder: true, size: 0, modified: undefined };
}

it("looks as the app's listing does", () => {
  const [ours, theirs] = ["src/tab/site/pages.css", "../crates/sites/src/folder/pages.css"].map(
    (path) => readFileSync(path, "utf8").split(/(?<=[;{}])\s*/),
  );
  // Theirs has more: pages of the app can do more.
  expect(ours?.filter((piece) => !theirs?.includes(piece))).toEqual([]);
});

it("shows folders first, then files as people count", () => {
  const entries = [file("b10.txt"), file("b2.txt"), folder("z"), folder("A")];
  const page = listing("Photos", [], entries, false);
  const places = ['"A/"', '"z/"', '"b2.txt"', '"b10.txt"'].map((href) =>
    page.indexOf(`href=${href}`),
  );
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(places).not.toContain(-1);
  expect(page).toContain("2 folders, 2 files");
  expect(page).toContain('title="21 Nov 2026, 08:00 UTC">21 Nov 2026<');
  expect(page).toContain("<title>Photos</title>");
});

it("shows hostile names as text", () => {
  const page = listing(
    "Title <i>",
    ["<b>", "here"],
    [
      file("<script>alert(1)</script>"),
      file("javascript:alert(1)"),
      file("x\u202egpj.exe"),
      file('" onmouseover="alert(1)'),
      file("line\nbreak\u0000"),
      folder("a?b#c%d&e;f\\g"),
    ],
    false,
  );
  for (const gone of [
    "<script>",
    "<b>",
    "<i>",
    '" onmouseover="',
    "\u202e",
    'href="javascript:',
    "\n",
  ]) {
    // The style sheet ends its lines.
    expect(page.replace(/<style>.*<\/style>/s, "")).not.toContain(gone);
  }
  for (const there of [
    'href="%3Cscript%3Ealert%281%29%3C%2Fscript%3E"',
    'href="javascript%3Aalert%281%29"',
    'href="a%3Fb%23c%25d%26e%3Bf%5Cg/"',
    "<bdi>x&lt;U+202E&gt;gpj.exe</bdi>",
    '<a href="../../"><bdi>Title &lt;i&gt;</bdi></a>',
    '<a href="../"><bdi>&lt;b&gt;</bdi></a>',
  ]) {
    expect(page).toContain(there);
  }
});

it("says when there is nothing and when there is too much", () => {
  expect(listing("T", [], [], false)).toContain("This folder is empty.");
  expect(listing("T", [], [file("a")], true)).toContain("more in this folder than the 1 entries");
});

it.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [999, "999 bytes"],
  [1000, "1.0 KB"],
  [9_949, "9.9 KB"],
  [9_960, "10 KB"],
  [999_949, "1000 KB"],
  [999_950, "1.0 MB"],
  [104_857_600, "105 MB"],
])("writes %d as %s", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});

it.each([
  ["a\nb\x1b[31m\x7f", "a\u240ab\u241b[31m\u2421"],
  ["photo\u202egpj.exe", "photo<U+202E>gpj.exe"],
  ["\u0085\u2028", "<U+0085><U+2028>"],
  ["👩\u200d💻 grüße", "👩\u200d💻 grüße"],
])("shows %j", (name, expected) => {
  expect(shown(name)).toBe(expected);
});
