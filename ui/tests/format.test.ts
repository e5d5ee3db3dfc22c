import { describe, expect, it } from "vitest";
import {
  ago,
  bytes,
  duration,
  ends,
  moment,
  percent,
  pieces,
  rate,
  share,
  slowness,
  timeLeft,
} from "../src/lib/format";
import { speak } from "../src/lib/words";

/** Returns text with spaces that break, as one types them. */
function plain(text: string): string {
  return text.replace(/[\u00a0\u202f]/g, " ");
}

describe("bytes", () => {
  it.each([
    [0, "0 B", "0 B"],
    [999, "999 B", "999 B"],
    [1000, "1.0 kB", "1,0 kB"],
    [1049, "1.0 kB", "1,0 kB"],
    [99_900, "99.9 kB", "99,9 kB"],
    [99_960, "100 kB", "100 kB"],
    [999_400, "999 kB", "999 kB"],
    [999_960, "1.0 MB", "1,0 MB"],
    [3_100_000, "3.1 MB", "3,1 MB"],
    [40_000_000_000, "40.0 GB", "40,0 GB"],
    [7_000_000_000_000_000_000, "7,000 PB", "7.000 PB"],
  ])("of %d", (count, english, german) => {
    expect(plain(bytes(count))).toBe(english);
    speak("de");
    expect(plain(bytes(count))).toBe(german);
  });

  it("never reads a thousand of a unit but the last", () => {
    for (let count = 1; count < 1e15; count = Math.ceil(count * 1.003)) {
      expect(plain(bytes(count))).not.toMatch(/1[,.]?000 (B|kB|MB|GB)/);
    }
  });

  it("a second", () => {
    expect(plain(rate(1_234_567))).toBe("1.2 MB/s");
  });
});

describe("a share", () => {
  it.each([
    [0, 10, "0%"],
    [1, 3, "33%"],
    [9_999, 10_000, "99%"],
    [10_000, 10_000, "100%"],
    [0, 0, "100%"],
    [12, 10, "100%"],
  ])("of %d of %d", (delivered, size, written) => {
    expect(percent(share(delivered, size))).toBe(written);
  });
});

describe("time left", () => {
  it.each([
    [0, "a few seconds left", "noch ein paar Sekunden"],
    [9, "a few seconds left", "noch ein paar Sekunden"],
    [38, "about 40 seconds left", "noch etwa 40 Sekunden"],
    [55, "about 1 minute left", "noch etwa 1 Minute"],
    [119, "about 2 minutes left", "noch etwa 2 Minuten"],
    [3540, "about 59 minutes left", "noch etwa 59 Minuten"],
    [3599, "about 1 hour left", "noch etwa 1 Stunde"],
    [7300, "about 2 hours left", "noch etwa 2 Stunden"],
    [86_400, "about 1 day left", "noch etwa 1 Tag"],
    [864_000, "about 10 days left", "noch etwa 10 Tage"],
  ])("of %d seconds", (seconds, english, german) => {
    expect(timeLeft(seconds)).toBe(english);
    speak("de");
    expect(timeLeft(seconds)).toBe(german);
  });
});

describe("how long something takes", () => {
  it.each([
    [0, "about 1 second", "etwa 1 Sekunde"],
    [10, "about 10 seconds", "etwa 10 Sekunden"],
    [131, "about 2 minutes", "etwa 2 Minuten"],
    [10_000, "about 3 hours", "etwa 3 Stunden"],
    [333_333, "about 4 days", "etwa 4 Tage"],
  ])("%d seconds", (seconds, english, german) => {
    expect(duration(seconds)).toBe(english);
    speak("de");
    expect(duration(seconds)).toBe(german);
  });

  it("on a slow way", () => {
    expect(plain(slowness({ rate: 7_600, photo: 131, slow: true }))).toBe(
      "This way carries about 7.6 kB a second: a photo takes about 2 minutes.",
    );
  });
});

describe("a moment", () => {
  const now = Date.UTC(2026, 10, 21, 12, 0, 0);

  it.each([
    [0, "now", "jetzt"],
    [59, "now", "jetzt"],
    [120, "2 minutes ago", "vor 2 Minuten"],
    [3600, "1 hour ago", "vor 1 Stunde"],
    [86_400, "yesterday", "gestern"],
    [-50, "now", "jetzt"],
  ])("%d seconds ago", (seconds, english, german) => {
    expect(ago(now - seconds * 1000, now)).toBe(english);
    speak("de");
    expect(ago(now - seconds * 1000, now)).toBe(german);
  });

  it("with date and time", () => {
    expect(moment(now)).toContain("2026");
  });
});

describe("what stays of a long name", () => {
  it.each([
    ["IMG_0001.jpg", "", "IMG_0001.jpg"],
    ["/home/anna/Photos", "/home/anna", "/Photos"],
    ["C:\\Users\\anna\\Photos", "C:\\Users\\anna", "\\Photos"],
    ["/", "", "/"],
    ["", "", ""],
    ["a".repeat(40), "a".repeat(28), "a".repeat(12)],
    [`x/${"a".repeat(40)}`, `x/${"a".repeat(28)}`, "a".repeat(12)],
    ["ש".repeat(40), "ש".repeat(40), ""],
    ["🌻".repeat(40), "🌻".repeat(28), "🌻".repeat(12)],
  ])("%s", (text, head, tail) => {
    expect(ends(text)).toEqual([head, tail]);
  });

  it("loses nothing in pieces", () => {
    const path = "/home//anna\\x/";
    expect(pieces(path).join("")).toBe(path);
    expect(pieces("a/b")).toEqual(["a", "/", "b"]);
  });
});
