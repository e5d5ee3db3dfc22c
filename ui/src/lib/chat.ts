/** Returns whether an address of a gateway is that of an account: `xmpp:name@server`, or without `xmpp:`. */
export function isChatAddress(address: string): boolean {
  const text = address.trim();
  return SCHEME.test(text) || (text.includes("@") && !text.includes("://"));
}

/** Returns whether a typed address means the gateway with this one. */
export function isSameGateway(typed: string, gateway: string): boolean {
  return typed.trim() === gateway || (isChatAddress(typed) && plain(typed) === plain(gateway));
}

/** Returns whether a typed address means the account with this one; the session, if it names one, is no matter. */
export function isSameAccount(typed: string, jid: string): boolean {
  return plain(typed).replace(/\/.*$/, "") === plain(jid);
}

/** Returns the name of the server in the address of an account. */
export function serverOf(jid: string): string {
  return jid.slice(jid.indexOf("@") + 1);
}

/** Returns the address of an account as people know it, without what programs put around it. */
export function plain(address: string): string {
  return address.trim().replace(SCHEME, "").replace(/\?.*$/, "").toLowerCase();
}

const SCHEME = /^xmpp:/i;
