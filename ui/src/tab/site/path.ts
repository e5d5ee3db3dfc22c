/** The longest path that is looked up, as in the app: no system opens longer ones. */
const MAX_PATH = 4096;

/** A path below the folder: names without a separator, a NUL, `.` or `..` in them. */
export interface SitePath {
  readonly names: readonly string[];
  /** Whether it ends in a slash, and so asks for a folder. */
  readonly slash: boolean;
}

/** `malformed`: no browser makes such a path. `nowhere`: no file can have this name. */
export type PathError = "malformed" | "nowhere";

/**
 * Reads the raw path of a request. Each name is percent-decoded once, after the path was cut at its
 * slashes, so an encoded separator never separates.
 */
export function parsePath(raw: string): SitePath | PathError {
  if (!raw.startsWith("/")) {
    return "malformed";
  }
  if (raw === "/") {
    return { names: [], slash: true };
  }
  if (raw.length > MAX_PATH) {
    return "nowhere";
  }
  const slash = raw.endsWith("/");
  const names: string[] = [];
  for (const part of raw.slice(1, slash ? -1 : undefined).split("/")) {
    const bytes = decode(part);
    if (bytes === undefined) {
      return "malformed";
    }
    let name: string;
    try {
      name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      // What browsers tell of a folder is text; a name that is none is not among it.
      return "nowhere";
    }
    if (name === "." || name === ".." || /[/\0]/.test(name)) {
      return "malformed";
    }
    if (name === "") {
      return "nowhere";
    }
    names.push(name);
  }
  return { names, slash };
}

/** Percent-decodes; `undefined` when a `%` is not followed by two hexadecimal digits. */
function decode(part: string): Uint8Array<ArrayBuffer> | undefined {
  if (/%(?![0-9a-f]{2})/i.test(part)) {
    return undefined;
  }
  const bytes: number[] = [];
  for (const [piece] of part.matchAll(/%..|[^%]+/g)) {
    if (piece.startsWith("%")) {
      bytes.push(Number.parseInt(piece.slice(1), 16));
    } else {
      bytes.push(...new TextEncoder().encode(piece));
    }
  }
  return new Uint8Array(bytes);
}

/** Returns a name as one part of a path: all but the unreserved characters of RFC 3986 encoded. */
export function pathPart(name: string): string {
  const text = name.toWellFormed?.() ?? name;
  return encodeURIComponent(text).replace(/[!'()*]/g, (letter) => {
    return `%${letter.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}

/** What systems leave in folders without being asked. */
const DROPPINGS = new Set([
  "$recycle.bin",
  "desktop.ini",
  "ehthumbs.db",
  "ehthumbs_vista.db",
  "icon\r",
  "system volume information",
  "thumbs.db",
  "thumbs.db:encryptable",
]);

/** Returns whether a name is one that people do not see in their folders. */
export function isHidden(name: string): boolean {
  // HFS+ does not see these letters, so `<U+200C>.env` opens `.env` there.
  const seen = name.replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, "");
  return seen.startsWith(".") || DROPPINGS.has(seen.toLowerCase());
}
