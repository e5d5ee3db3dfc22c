import type { Pace } from "../generated/bindings";
import { hasRightToLeft, locale, t } from "./words";

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
  const digits = unit === 0 || amount >= 99.95 ? 0 : 1;
  return `${number(digits).format(amount)}\u00a0${UNITS[unit]}`;
}

/** Returns bytes a second for people: `1.2 MB/s`. */
export function rate(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond)}/s`;
}

/** Returns how much of `size` was delivered, from 0 to 1; 1 only when nothing is missing. */
export function share(delivered: number, size: number): number {
  return size === 0 ? 1 : Math.min(1, Math.max(0, delivered / size));
}

/** Returns a share as percent, rounded down: what is not done never reads 100 %. */
export function percent(part: number): string {
  return percentage().format(Math.floor(part * 100) / 100);
}

/** Returns a time to wait for people, as coarse as it is uncertain. */
export function timeLeft(seconds: number): string {
  if (seconds < 10) {
    return t("transfers.fewSeconds");
  }
  if (seconds < 55) {
    return t("transfers.seconds", { count: Math.round(seconds / 10) * 10 });
  }
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) {
    return t("transfers.minutes", { count: Math.max(1, minutes) });
  }
  const hours = Math.round(seconds / 3600);
  if (hours < 24) {
    return t("transfers.hours", { count: hours });
  }
  return t("transfers.days", { count: Math.round(seconds / 86400) });
}

/** Returns how long something takes for people, as coarse as it is uncertain: `about 2 minutes`. */
export function duration(seconds: number): string {
  if (seconds < 90) {
    return t("pace.seconds", { count: Math.max(1, Math.round(seconds)) });
  }
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) {
    return t("pace.minutes", { count: minutes });
  }
  const hours = Math.round(seconds / 3600);
  if (hours < 48) {
    return t("pace.hours", { count: hours });
  }
  return t("pace.days", { count: Math.round(seconds / 86400) });
}

/** Says how slow a way is and what that means for a visitor. */
export function slowness(pace: Pace): string {
  return t("pace.slow", { rate: bytes(pace.rate), time: duration(pace.photo) });
}

/** Returns how long ago a moment was, both in milliseconds since 1970: `2 minutes ago`. */
export function ago(then: number, now: number): string {
  const seconds = Math.max(0, (now - then) / 1000);
  if (seconds < 60) {
    return relative().format(0, "second");
  }
  if (seconds < 3600) {
    return relative().format(-Math.floor(seconds / 60), "minute");
  }
  if (seconds < 86400) {
    return relative().format(-Math.floor(seconds / 3600), "hour");
  }
  return relative().format(-Math.floor(seconds / 86400), "day");
}

/** Returns a moment, milliseconds since 1970, as date and time of this computer. */
export function moment(time: number): string {
  return dateAndTime().format(time);
}

/**
 * Splits a path or name into what may be shortened and what should stay readable: the last part of
 * the path, or the end of the name with its extension.
 */
export function ends(text: string): [head: string, tail: string] {
  const separator = Math.max(text.lastIndexOf("/"), text.lastIndexOf("\\"));
  const last = [...text.slice(separator + 1)];
  if (last.length <= LONGEST_TAIL) {
    const start = Math.max(0, separator);
    return [text.slice(0, start), text.slice(start)];
  }
  if (hasRightToLeft(text.slice(separator + 1))) {
    // Both halves would be put in order alone, which reads as nonsense.
    return [text, ""];
  }
  const head = text.slice(0, separator + 1) + last.slice(0, -SHORT_TAIL).join("");
  return [head, last.slice(-SHORT_TAIL).join("")];
}

/** Splits a path at its separators, which stay as pieces of their own. */
export function pieces(path: string): string[] {
  return path.split(/([/\\])/).filter((piece) => piece !== "");
}

/** A last part of a path that is longer than this is shortened itself. */
const LONGEST_TAIL = 28;
/** Room for an extension and a running number. */
const SHORT_TAIL = 12;

const number = remembered((tag, digits: number) => {
  return new Intl.NumberFormat(tag, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
});
const percentage = remembered((tag) => new Intl.NumberFormat(tag, { style: "percent" }));
const relative = remembered((tag) => new Intl.RelativeTimeFormat(tag, { numeric: "auto" }));
const dateAndTime = remembered((tag) => {
  return new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" });
});

/** Makes each formatter once per language: building one costs more than using it. */
function remembered<More extends number[], Formatter>(
  make: (tag: string, ...more: More) => Formatter,
): (...more: More) => Formatter {
  const made = new Map<string, Formatter>();
  return (...more) => {
    const name = [locale(), ...more].join(" ");
    const formatter = made.get(name) ?? make(locale(), ...more);
    made.set(name, formatter);
    return formatter;
  };
}
