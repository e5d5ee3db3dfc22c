import { describe, expect, it } from "vitest";
import { part } from "../../src/tab/site/range";

function read(value: string, size: number) {
  return part([["Range", value]], size);
}

// The tables of crates/sites/src/folder/range.rs.
describe("a range", () => {
  it.each([
    ["bytes=0-0", 0, 1],
    ["bytes=0-9", 0, 10],
    ["bytes=0-99", 0, 10],
    ["bytes=3-5", 3, 3],
    ["bytes=3-", 3, 7],
    ["bytes=9-", 9, 1],
    ["bytes=-1", 9, 1],
    ["bytes=-10", 0, 10],
    ["bytes=-99", 0, 10],
    ["BYTES=3-5", 3, 3],
    ["bytes= 3-5 ", 3, 3],
    ["bytes=,3-5,", 3, 3],
    ["bytes=0-99999999999999999999999999", 0, 10],
    ["bytes=-99999999999999999999999999", 0, 10],
    ["bytes=2-3,100-", 2, 2],
  ])("%s of ten bytes", (value, offset, length) => {
    expect(read(value, 10)).toEqual({ offset, length });
  });

  it.each([
    ["bytes=10-", 10],
    ["bytes=10-20", 10],
    ["bytes=-0", 10],
    ["bytes=99999999999999999999999999-", 10],
    ["bytes=20-30,40-", 10],
    ["bytes=0-", 0],
    ["bytes=0-0", 0],
    ["bytes=-0", 0],
  ])("%s of %d bytes is not there", (value, size) => {
    expect(read(value, size)).toBe("nothing");
  });

  it.each([
    "bytes=0-1,3-4",
    "bytes=0-,0-,0-",
    "bytes=5-3",
    "bytes=5-3,0-1",
    "bytes=",
    "bytes=-",
    "bytes=,",
    "bytes=a-b",
    "bytes=1",
    "bytes=1-2-3",
    "bytes=+1-2",
    "bytes=0x1-2",
    "bytes 0-1",
    "items=0-1",
    "0-1",
    "",
    "bytes=1 - 2",
    `bytes=${Array(17).fill("20-").join(",")}`,
  ])("%s sends everything", (value) => {
    expect(read(value, 10)).toBeUndefined();
  });

  it("that is given twice, or of an empty file, sends everything", () => {
    const twice = ["bytes=0-1", "bytes=2-3"].map((value) => ["range", value] as const);
    expect(part(twice, 10)).toBeUndefined();
    expect(read("bytes=-5", 0)).toBeUndefined();
  });
});
