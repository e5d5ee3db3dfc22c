import type { Door } from "./door";
import { type Folder, read, Unreadable } from "./folder";
import { type Headers, values } from "./headers";
import { listing, MAX_ENTRIES } from "./listing";
import { attachment, contentType, wantsDownload } from "./media";
import { shown } from "./names";
import { NOTICES, type Notice, noticePage, noticeText, policy } from "./pages";
import { isHidden, parsePath, pathPart, type SitePath } from "./path";
import { part } from "./range";
import { Validators } from "./validators";

/** A visitor's request, without its body: nothing here takes one. */
export interface Request {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Headers;
}

export interface Answer {
  readonly status: number;
  readonly headers: [string, string][];
  readonly body: Body;
}

/** The body of an answer: a few bytes, or a part of a file. */
export type Body = Uint8Array<ArrayBuffer> | FilePart;

export interface FilePart {
  readonly file: File;
  /** The file's path, for people. */
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  /** The first bytes, read before the answer began: what cannot be read becomes a page. */
  readonly first: Uint8Array<ArrayBuffer>;
}

/** How much is read and sent in one piece, in bytes: half of what may be under way at once. */
export const PIECE = 128 * 1024;

const ALLOW: [string, string] = ["Allow", "GET, HEAD, OPTIONS"];

/** The files that stand for their folder, the first that is there. */
const INDEXES = ["index.html", "index.htm"];

const EMPTY = new Uint8Array(0);

/** A folder behind a door. */
export class Site {
  readonly #folder: Folder;
  readonly #door: Door;
  readonly #now: () => number;

  constructor(folder: Folder, door: Door, now: () => number = Date.now) {
    this.#folder = folder;
    this.#door = door;
    this.#now = now;
  }

  /** Answers a request. It never fails: what goes wrong is a page with a status. */
  async answer(request: Request): Promise<Answer> {
    const [path = "", query] = split(request.target);
    const verdict = this.#door.judge(path, query, request.headers);
    switch (verdict.kind) {
      case "refused": {
        const page = await notice(request, NOTICES.noEntry);
        return guarded(page);
      }
      case "enter":
        return guarded({
          status: 303,
          headers: [
            ["Set-Cookie", verdict.cookie],
            ["Location", verdict.location],
            ["Content-Length", "0"],
          ],
          body: EMPTY,
        });
      case "allowed": {
        const answer = await this.#read(request, path, query);
        answer.headers.push(
          ["X-Robots-Tag", "noindex"],
          // Browsers send the cookie for what a page of another site of this gateway loads; see the app.
          ["Cross-Origin-Resource-Policy", "same-origin"],
        );
        return answer;
      }
    }
  }

  async #read(request: Request, raw: string, query: string | undefined): Promise<Answer> {
    if (request.method === "OPTIONS") {
      return { status: 204, headers: [ALLOW], body: EMPTY };
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      const answer = await notice(request, NOTICES.method);
      answer.headers.push(ALLOW);
      return answer;
    }
    const path = parsePath(raw);
    if (typeof path === "string") {
      return notice(request, path === "malformed" ? NOTICES.malformed : NOTICES.notFound);
    }
    try {
      return await this.#find(request, path, query);
    } catch (error) {
      const why = Unreadable.of(error);
      const known = error instanceof Unreadable ? error : why;
      return notice(request, known.why === "denied" ? NOTICES.denied : NOTICES.changed);
    }
  }

  async #find(request: Request, path: SitePath, query: string | undefined): Promise<Answer> {
    const { names, slash } = path;
    const found = names.some(isHidden) ? undefined : await this.#folder.find(names);
    const name = names.at(-1) ?? "";
    if (found === undefined || (found !== "folder" && slash)) {
      return notice(request, NOTICES.notFound);
    }
    if (found !== "folder") {
      return this.#file(request, names, found, query);
    }
    if (!slash) {
      // Relative and with a dot first, so no name in it can be taken for a host or a scheme.
      const location = `./${pathPart(name)}/${query === undefined ? "" : `?${query}`}`;
      const headers: [string, string][] = [
        ["Location", location],
        ["Content-Length", "0"],
        ...HARDENED,
      ];
      return { status: 308, headers, body: EMPTY };
    }
    for (const index of INDEXES) {
      const file = await this.#folder.find([...names, index]);
      if (file instanceof File) {
        return this.#file(request, [...names, index], file, query);
      }
    }
    const listed = await this.#folder.list(names, MAX_ENTRIES);
    if (listed === undefined) {
      return notice(request, NOTICES.notFound);
    }
    const { entries, isCut } = listed;
    return page(request, 200, HTML, listing(this.#folder.title, names, entries, isCut));
  }

  async #file(
    request: Request,
    names: readonly string[],
    file: File,
    query: string | undefined,
  ): Promise<Answer> {
    const { size } = file;
    const validators = new Validators(size, file.lastModified, this.#now());
    switch (validators.judge(request.headers)) {
      case "proceed":
        break;
      case "not-modified":
        return { status: 304, headers: [...validators.headers(), ...HARDENED], body: EMPTY };
      case "failed": {
        const answer = await notice(request, NOTICES.condition);
        answer.headers.push(...validators.headers());
        return answer;
      }
    }
    const isHead = request.method === "HEAD";
    // Ranges are defined for GET alone (RFC 9110, section 14.2).
    const wanted =
      isHead || !validators.allowRange(request.headers) ? undefined : part(request.headers, size);
    if (wanted === "nothing") {
      const answer = await notice(request, NOTICES.range);
      answer.headers.push(["Content-Range", `bytes */${size}`], ["Accept-Ranges", "bytes"]);
      return answer;
    }
    const { offset, length } = wanted ?? { offset: 0, length: size };
    const name = names.at(-1) ?? "";
    const headers: [string, string][] = [
      ...validators.headers(),
      ["Content-Type", contentType(name)],
      ["Content-Length", String(length)],
      ["Accept-Ranges", "bytes"],
      ...HARDENED,
    ];
    if (wantsDownload(query ?? "")) {
      headers.push(["Content-Disposition", attachment(name)]);
    }
    if (wanted !== undefined) {
      headers.push(["Content-Range", `bytes ${offset}-${offset + length - 1}/${size}`]);
    }
    const status = wanted === undefined ? 200 : 206;
    if (isHead || length === 0) {
      return { status, headers, body: EMPTY };
    }
    const first = await read(file, offset, Math.min(length, PIECE));
    const body = { file, name: names.map(shown).join("/"), offset, length, first };
    return { status, headers, body };
  }
}

/** Asked about again before it is shown again: the file may have changed, the tab may be closed. */
const HARDENED: [string, string][] = [
  ["X-Content-Type-Options", "nosniff"],
  ["Cache-Control", "private, no-cache"],
];

const HTML = "text/html; charset=utf-8";

/** Returns a page that says what is wrong, or the same as text for a program. */
async function notice(request: Request, what: Notice): Promise<Answer> {
  const accepts = values(request.headers, "accept").some((value) => /text\/html/i.test(value));
  const answer = accepts
    ? await page(request, what.status, HTML, noticePage(what))
    : await page(request, what.status, "text/plain; charset=utf-8", noticeText(what));
  answer.headers.push(["Vary", "accept"]);
  return answer;
}

async function page(request: Request, status: number, type: string, text: string): Promise<Answer> {
  const bytes = new TextEncoder().encode(text);
  const headers: [string, string][] = [
    ["Content-Type", type],
    ["Content-Length", String(bytes.length)],
    ["Content-Security-Policy", await policy()],
    ["Referrer-Policy", "same-origin"],
    ...HARDENED,
  ];
  return { status, headers, body: request.method === "HEAD" ? EMPTY : bytes };
}

/** What must not be kept by anybody, nor tell where the visitor came from. */
function guarded({ status, headers, body }: Answer): Answer {
  const others = headers.filter(([name]) => !["Cache-Control", "Referrer-Policy"].includes(name));
  others.push(
    ["Cache-Control", "no-store"],
    ["Referrer-Policy", "no-referrer"],
    ["X-Robots-Tag", "noindex"],
  );
  return { status, headers: others, body };
}

function split(target: string): [string, string | undefined] {
  const mark = target.indexOf("?");
  return mark < 0 ? [target, undefined] : [target.slice(0, mark), target.slice(mark + 1)];
}
