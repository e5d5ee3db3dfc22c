import { type Headers, only, values } from "./headers";

/**
 * How long after its last change a file may change again without its time showing it: FAT counts
 * in steps of two seconds.
 */
const COARSEST_CLOCK = 2000;

/** The last millisecond that a date in a header can name: the end of the year 9999. */
const LAST_DATE = 253_402_300_799_999;

/** What the conditions of a request come to; `failed` is 412. */
export type Verdict = "proceed" | "not-modified" | "failed";

/** What tells one state of a file from another (RFC 9110, section 13). Times in milliseconds. */
export class Validators {
  readonly #opaque: string;
  readonly #weak: boolean;
  /** Whole seconds since 1970. */
  readonly #modified: number | undefined;

  constructor(size: number, modified: number, now: number) {
    const isDate = modified >= 0 && modified <= LAST_DATE;
    this.#opaque = `${size.toString(16)}-${Math.max(0, Math.floor(modified)).toString(16)}`;
    this.#weak = !isDate || now - modified <= COARSEST_CLOCK;
    // A date in the future must not be sent (section 8.8.2.1).
    this.#modified = isDate ? Math.floor(Math.min(modified, now) / 1000) : undefined;
  }

  /** Returns `ETag` and `Last-Modified`. */
  headers(): [string, string][] {
    const headers: [string, string][] = [["ETag", `${this.#weak ? "W/" : ""}"${this.#opaque}"`]];
    if (this.#modified !== undefined) {
      headers.push(["Last-Modified", new Date(this.#modified * 1000).toUTCString()]);
    }
    return headers;
  }

  /** Weighs the conditions of a GET or HEAD, in the order of section 13.2.2. */
  judge(headers: Headers): Verdict {
    const [match, noneMatch] = [values(headers, "if-match"), values(headers, "if-none-match")];
    const unmodified = seconds(only(headers, "if-unmodified-since"));
    if (match.length > 0) {
      if (!anyTag(match, (tag) => this.#isStrongly(tag))) {
        return "failed";
      }
    } else if (unmodified !== undefined && (this.#modified ?? 0) > unmodified) {
      return "failed";
    }
    const since = seconds(only(headers, "if-modified-since"));
    if (noneMatch.length > 0) {
      if (anyTag(noneMatch, (tag) => tag.replace(/^W\//, "") === `"${this.#opaque}"`)) {
        return "not-modified";
      }
    } else if (since !== undefined && this.#modified !== undefined && this.#modified <= since) {
      return "not-modified";
    }
    return "proceed";
  }

  /** Returns whether a range may be cut out: there is no `If-Range`, or it names this state. */
  allowRange(headers: Headers): boolean {
    if (values(headers, "if-range").length === 0) {
      return true;
    }
    const value = only(headers, "if-range");
    if (value === undefined || this.#weak) {
      // A weak tag says that the time does not tell, and then the date does not either.
      return false;
    }
    if (value.endsWith('"')) {
      return this.#isStrongly(value);
    }
    return this.#modified !== undefined && seconds(value) === this.#modified;
  }

  #isStrongly(tag: string): boolean {
    return !this.#weak && tag === `"${this.#opaque}"`;
  }
}

/** Returns whether a header is `*` or lists a tag that fits. A tag may have commas in it. */
function anyTag(lines: readonly string[], fits: (tag: string) => boolean): boolean {
  return lines.some((line) => {
    if (line.trim() === "*") {
      return true;
    }
    let rest = line;
    for (;;) {
      const found = /^[, \t]*((?:W\/)?"[^"]*")/.exec(rest);
      if (found?.[1] === undefined) {
        return false;
      }
      if (fits(found[1])) {
        return true;
      }
      rest = rest.slice(found[0].length);
    }
  });
}

/** Reads a date as browsers write it: `Sat, 21 Nov 2026 08:00:00 GMT`. Others count as not given. */
function seconds(date: string | undefined): number | undefined {
  if (date === undefined || !/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} [\d:]{8} GMT$/.test(date)) {
    return undefined;
  }
  const time = Date.parse(date);
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000);
}
