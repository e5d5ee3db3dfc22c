import { type Headers, values } from "./headers";

/**
 * How long a browser remembers that it was let in, in seconds: a day. The tab is hardly open for
 * longer, and opening the link again begins a new one.
 */
const COOKIE_LIFETIME = 24 * 60 * 60;

/** The characters of a token: 128 bits in base64url. */
const TOKEN = /^[A-Za-z0-9_-]{21}[AQgw]$/;

/** What the guard decides: the request goes on, or is led to the clean path, or is refused. */
export type Verdict =
  | { readonly kind: "allowed" }
  | { readonly kind: "enter"; readonly cookie: string; readonly location: string }
  | { readonly kind: "refused" };

/**
 * Who may enter. As in the app: the session URL is `<origin>/s/<token>`; opening it sets a cookie
 * and leads to the clean path. Programs send `Authorization: Bearer <token>`.
 */
export class Door {
  readonly #token: string;
  readonly #cookie: string;
  readonly #isSecure: boolean;

  /** `isSecure`: visitors come by `https`. `label` names the cookie. */
  constructor(token: string, label: string, isSecure: boolean) {
    this.#token = token;
    // With this prefix the browser makes sure that the cookie came from this very host by https.
    this.#cookie = `${isSecure ? "__Host-" : ""}veranda-${label}`;
    this.#isSecure = isSecure;
  }

  /** Judges a request by its target (path and query) and headers. */
  judge(path: string, query: string | undefined, headers: Headers): Verdict {
    const session = /^\/s\/([^/]*)(?:\/(.*))?$/s.exec(path);
    if (session?.[1] !== undefined && TOKEN.test(session[1])) {
      return this.#is(session[1]) ? this.#enter(session[2] ?? "", query) : { kind: "refused" };
    }
    const bearer = values(headers, "authorization").map(
      (v) => /^bearer +(.*)$/i.exec(v)?.[1] ?? "",
    );
    const crumbs = values(headers, "cookie").flatMap((value) => value.split(";"));
    const start = `${this.#cookie}=`;
    const cookies = crumbs.map((c) => c.trim()).filter((crumb) => crumb.startsWith(start));
    const offered = [...bearer, ...cookies.map((crumb) => crumb.slice(start.length))];
    return { kind: offered.some((token) => this.#is(token.trim())) ? "allowed" : "refused" };
  }

  #enter(rest: string, query: string | undefined): Verdict {
    const secure = this.#isSecure ? "; Secure" : "";
    const cookie = `${this.#cookie}=${this.#token}; Path=/; Max-Age=${COOKIE_LIFETIME}; HttpOnly; SameSite=Lax${secure}`;
    // Browsers take `//host` and `/\host` for another host: one slash, whatever was there.
    const location = `/${rest.replace(/^[/\\]+/, "")}${query === undefined ? "" : `?${query}`}`;
    return { kind: "enter", cookie, location };
  }

  /** Looks at every letter, so that the time tells nothing. */
  #is(offered: string): boolean {
    let difference = offered.length ^ this.#token.length;
    for (let at = 0; at < this.#token.length; at += 1) {
      difference |= this.#token.charCodeAt(at) ^ offered.charCodeAt(at);
    }
    return difference === 0;
  }
}
