/** What browsers have since 2025; the others take the longer way below. */
interface Modern {
  toBase64?(options?: { alphabet?: "base64url"; omitPadding?: boolean }): string;
}

/** How many bytes `String.fromCharCode` takes as arguments at once without a stack overflow. */
const PIECE = 8 * 1024;

/** Returns bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  const modern = (bytes as Modern).toBase64?.();
  if (modern !== undefined) {
    return modern;
  }
  let letters = "";
  for (let at = 0; at < bytes.length; at += PIECE) {
    letters += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  }
  return btoa(letters);
}

/** Returns bytes as base64url without padding, as tokens have it. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Reads base64; throws what `atob` throws. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
