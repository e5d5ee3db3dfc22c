import { describe, expect, it } from "vitest";
import { Validators } from "../../src/tab/site/validators";

const AT = Date.parse("Sat, 21 Nov 2026 08:00:00 GMT") + 500;
const CHANGED = "Sat, 21 Nov 2026 08:00:00 GMT";
const BEFORE = "Sat, 21 Nov 2026 07:59:59 GMT";
const AFTER = "Sat, 21 Nov 2026 08:00:01 GMT";

const settled = new Validators(10, AT, AT + 60_000);
const [[, TAG] = ["", ""], modified] = settled.headers();

function lines(list: readonly (readonly [string, string])[]) {
  return list.map(([name, value]) => [name, value.replace("TAG", TAG)] as const);
}

// The tables of crates/sites/src/folder/validators.rs.
describe("conditions", () => {
  it("rest on the tag and the date", () => {
    expect(modified).toEqual(["Last-Modified", CHANGED]);
    expect(TAG).toMatch(/^"a-[0-9a-f]+"$/);
  });

  it.each([
    [[], "proceed"],
    [[["if-none-match", "TAG"]], "not-modified"],
    [[["if-none-match", "W/TAG"]], "not-modified"],
    [[["if-none-match", "*"]], "not-modified"],
    [[["if-none-match", '"a,b" , W/"c",TAG']], "not-modified"],
    [[["if-none-match", '"a", "b"']], "proceed"],
    [[["if-none-match", "nonsense"]], "proceed"],
    [[["if-none-match", '"unfinished']], "proceed"],
    [[["if-none-match", ""]], "proceed"],
    [[["if-modified-since", CHANGED]], "not-modified"],
    [[["if-modified-since", AFTER]], "not-modified"],
    [[["if-modified-since", BEFORE]], "proceed"],
    [[["if-modified-since", "yesterday"]], "proceed"],
    [
      [
        ["if-none-match", '"a"'],
        ["if-modified-since", AFTER],
      ],
      "proceed",
    ],
    [[["if-match", "TAG"]], "proceed"],
    [[["if-match", "*"]], "proceed"],
    [[["if-match", "W/TAG"]], "failed"],
    [[["if-match", '"a"']], "failed"],
    [[["if-unmodified-since", CHANGED]], "proceed"],
    [[["if-unmodified-since", BEFORE]], "failed"],
    [[["if-unmodified-since", "never"]], "proceed"],
    [
      [
        ["if-match", "TAG"],
        ["if-none-match", "TAG"],
      ],
      "not-modified",
    ],
  ] as const)("%j", (headers, expected) => {
    expect(settled.judge(lines(headers))).toBe(expected);
  });

  it.each([
    [[], true],
    [[["if-range", "TAG"]], true],
    [[["if-range", "W/TAG"]], false],
    [[["if-range", '"a"']], false],
    [[["if-range", CHANGED]], true],
    [[["if-range", BEFORE]], false],
    [[["if-range", "nonsense"]], false],
  ] as const)("a range with %j", (headers, expected) => {
    expect(settled.allowRange(lines(headers))).toBe(expected);
  });
});

it("is weak while the file may still change unseen, and where there is no time", () => {
  for (const young of [new Validators(10, AT, AT + 100), new Validators(10, -1, AT)]) {
    const tag = young.headers()[0]?.[1] ?? "";
    expect(tag).toMatch(/^W\//);
    expect(young.allowRange([["if-range", tag.slice(2)]])).toBe(false);
    expect(young.judge([["if-none-match", tag]])).toBe("not-modified");
  }
  expect(new Validators(10, -1, AT).headers()).toHaveLength(1);
});

it("never names a time that is still to come", () => {
  const ahead = new Validators(1, AT + 60_000, AT);
  expect(ahead.headers()[1]).toEqual(["Last-Modified", CHANGED]);
});
