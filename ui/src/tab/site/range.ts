import { type Headers, values } from "./headers";

/** A part of a file; `undefined` stands for all of it, `"nothing"` for 416. */
export type Part = { readonly offset: number; readonly length: number } | undefined | "nothing";

/** How many ranges are looked at; who asks for more gets everything. */
const MAX_RANGES = 16;

/**
 * Reads `Range` for a file of this size (RFC 9110, section 14).
 *
 * A header that is damaged or in another unit counts as not given. Who asks for several parts that
 * are there gets everything, as section 14.2 allows.
 */
export function part(headers: Headers, size: number): Part {
  const given = values(headers, "range");
  const wanted = given.length === 1 ? parse(given[0] ?? "") : undefined;
  if (wanted === undefined) {
    return undefined;
  }
  const there = wanted.map((range) => within(range, size)).filter((range) => range !== undefined);
  const [first, second] = there;
  if (first === undefined) {
    return "nothing";
  }
  // The last bytes of an empty file: all of it, which no `Content-Range` can express.
  return second !== undefined || first.length === 0 ? undefined : first;
}

interface Wanted {
  readonly first?: number;
  readonly last?: number;
}

function within({ first, last }: Wanted, size: number) {
  if (first !== undefined) {
    const end = Math.min(last ?? size - 1, size - 1);
    return first < size ? { offset: first, length: end - first + 1 } : undefined;
  }
  const count = Math.min(last ?? 0, size);
  return last !== undefined && last > 0 ? { offset: size - count, length: count } : undefined;
}

/** Returns the ranges, or `undefined` when the header is not a list of byte ranges. */
function parse(value: string): Wanted[] | undefined {
  const set = /^[ \t]*bytes[ \t]*=(.*)$/i.exec(value)?.[1];
  const specs = (set ?? "").split(",").map((spec) => spec.replace(/^[ \t]+|[ \t]+$/g, ""));
  const ranges: Wanted[] = [];
  for (const spec of specs.filter((spec) => spec !== "")) {
    const digits = /^([0-9]*)-([0-9]*)$/.exec(spec);
    const [first, last] = [number(digits?.[1]), number(digits?.[2])];
    const isEmpty = first === undefined && last === undefined;
    const isReversed = first !== undefined && last !== undefined && first > last;
    if (isEmpty || isReversed || ranges.length === MAX_RANGES) {
      return undefined;
    }
    ranges.push({ ...(first !== undefined && { first }), ...(last !== undefined && { last }) });
  }
  return ranges.length > 0 ? ranges : undefined;
}

/** Reads digits; what is larger than any file is as large as a number can be. */
function number(digits: string | undefined): number | undefined {
  return digits ? Math.min(Number(digits), Number.MAX_SAFE_INTEGER) : undefined;
}
