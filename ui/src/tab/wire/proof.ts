import { toBase64Url } from "./base64";

/** How long a proof is good for, in seconds; the gateway takes none that live longer. */
const LIFETIME = 60;

/** Makes an identity. The private key can sign, and nobody can read it, not even this page. */
export async function generateKeys(): Promise<CryptoKeyPair> {
  // What it returns for Ed25519 is a pair.
  return (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
}

/** Returns whether this browser can make an identity. */
export async function hasEd25519(): Promise<boolean> {
  try {
    await generateKeys();
    return true;
  } catch {
    return false;
  }
}

/**
 * Signs a fresh proof for the gateway with this origin: a compact JWS (RFC 7515) of a JWT, signed
 * with EdDSA, as `crosstalk::proof` reads it. It is good for one request. `now` in milliseconds.
 */
export async function prove(keys: CryptoKeyPair, audience: string, now: number): Promise<string> {
  const raw = await crypto.subtle.exportKey("raw", keys.publicKey);
  const seconds = Math.floor(now / 1000);
  const claims = {
    iss: toBase64Url(new Uint8Array(raw)),
    aud: audience,
    iat: seconds,
    exp: seconds + LIFETIME,
    jti: randomToken(),
  };
  const signed = `${part({ alg: "EdDSA", typ: "JWT" })}.${part(claims)}`;
  const bytes = new TextEncoder().encode(signed);
  const signature = await crypto.subtle.sign("Ed25519", keys.privateKey, bytes);
  return `${signed}.${toBase64Url(new Uint8Array(signature))}`;
}

/** Returns 128 random bits in base64url. */
export function randomToken(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(16)));
}

function part(value: object): string {
  return toBase64Url(new TextEncoder().encode(JSON.stringify(value)));
}
