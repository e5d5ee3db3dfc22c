import { isInvisibleOrder } from "./names";

/** Types of files by the end of their names: what browsers show or play, and what people send. */
const TYPES: { readonly [extension: string]: string } = {
  "7z": "application/x-7z-compressed",
  aac: "audio/aac",
  apk: "application/vnd.android.package-archive",
  avi: "video/x-msvideo",
  avif: "image/avif",
  bmp: "image/bmp",
  bz2: "application/x-bzip2",
  css: "text/css",
  csv: "text/csv",
  doc: "application/msword",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  epub: "application/epub+zip",
  flac: "audio/flac",
  gif: "image/gif",
  gz: "application/gzip",
  heic: "image/heic",
  htm: "text/html",
  html: "text/html",
  ico: "image/x-icon",
  ics: "text/calendar",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript",
  json: "application/json",
  jxl: "image/jxl",
  m4a: "audio/mp4",
  m4v: "video/mp4",
  md: "text/markdown",
  mid: "audio/midi",
  mjs: "text/javascript",
  mkv: "video/x-matroska",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  mpeg: "video/mpeg",
  mpg: "video/mpeg",
  odp: "application/vnd.oasis.opendocument.presentation",
  ods: "application/vnd.oasis.opendocument.spreadsheet",
  odt: "application/vnd.oasis.opendocument.text",
  oga: "audio/ogg",
  ogg: "audio/ogg",
  ogv: "video/ogg",
  opus: "audio/ogg",
  otf: "font/otf",
  pdf: "application/pdf",
  png: "image/png",
  ppt: "application/vnd.ms-powerpoint",
  pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  rar: "application/vnd.rar",
  rtf: "application/rtf",
  svg: "image/svg+xml",
  tar: "application/x-tar",
  tif: "image/tiff",
  tiff: "image/tiff",
  ts: "text/plain",
  ttf: "font/ttf",
  txt: "text/plain",
  vcf: "text/vcard",
  vtt: "text/vtt",
  wasm: "application/wasm",
  wav: "audio/wav",
  webm: "video/webm",
  webmanifest: "application/manifest+json",
  webp: "image/webp",
  woff: "font/woff",
  woff2: "font/woff2",
  xls: "application/vnd.ms-excel",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  xml: "text/xml",
  xz: "application/x-xz",
  zip: "application/zip",
};

/** Returns the `Content-Type` of a file with this name. */
export function contentType(name: string): string {
  const dot = name.lastIndexOf(".");
  const extension = dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
  const type = Object.hasOwn(TYPES, extension) ? TYPES[extension] : undefined;
  if (type === undefined) {
    return "application/octet-stream";
  }
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}

/** Returns `Content-Disposition` for a file that is to be kept under this name (RFC 6266). */
export function attachment(name: string): string {
  const harmless = [...(name.toWellFormed?.() ?? name)]
    .map((letter) => (isUnfit(letter) ? "_" : letter))
    .join("");
  // Some programs decode `%41` in a plain name, others do not: so it has none.
  const plain = [...harmless]
    .map((l) => (/^[ -~]$/.test(l) && !'"%'.includes(l) ? l : "_"))
    .join("");
  const value = `attachment; filename="${plain}"`;
  return plain === harmless ? value : `${value}; filename*=UTF-8''${extended(harmless)}`;
}

function isUnfit(letter: string): boolean {
  const code = letter.codePointAt(0) ?? 0;
  return (
    code < 0x20 ||
    (code >= 0x7f && code < 0xa0) ||
    "/\\".includes(letter) ||
    isInvisibleOrder(letter)
  );
}

/** Encodes all but `attr-char` of RFC 8187. */
function extended(text: string): string {
  return encodeURIComponent(text).replace(/['()*]/g, (letter) => {
    return `%${letter.charCodeAt(0).toString(16).toUpperCase()}`;
  });
}

/** Returns whether a query asks for a file to be kept: `?download`, alone or among others. */
export function wantsDownload(query: string): boolean {
  return query.split("&").some((pair) => pair.split("=")[0] === "download");
}
