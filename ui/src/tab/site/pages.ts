import { Html, html } from "./html";
import STYLE from "./pages.css?raw";

/** A page that says what is wrong; the words are those of the app. */
export interface Notice {
  readonly status: number;
  readonly title: string;
  readonly sentence: string;
  /** Whether the start of the site may help. */
  readonly offersStart: boolean;
}

export const NOTICES = {
  malformed: {
    status: 400,
    title: "This address is damaged",
    sentence:
      "A part of it was lost or changed on its way to you. Copy the whole link once more, or ask whoever sent it.",
    offersStart: true,
  },
  denied: {
    status: 403,
    title: "This cannot be opened",
    sentence:
      "It is there, but the computer it lies on does not allow it to be read. Whoever shares it can change that.",
    offersStart: true,
  },
  notFound: {
    status: 404,
    title: "Nothing is here",
    sentence:
      "There is no file or folder with this name. It may have been renamed or taken away, or the link may have a typing mistake.",
    offersStart: true,
  },
  noEntry: {
    status: 404,
    title: "Nothing to see here",
    sentence:
      "There is nothing at this address, or it needs the whole link. Open the link exactly as you were given it; if it still leads here, ask the person who gave it to you for a new one.",
    offersStart: false,
  },
  method: {
    status: 405,
    title: "This can only be read",
    sentence: "Files here can be looked at and downloaded, but not sent or changed.",
    offersStart: true,
  },
  condition: {
    status: 412,
    title: "This has changed",
    sentence: "It is no longer what your program asked for. Load it again from the beginning.",
    offersStart: false,
  },
  range: {
    status: 416,
    title: "This part is not there",
    sentence:
      "The file is shorter than the part your program asked for. It may have changed: load it again from the beginning.",
    offersStart: false,
  },
  changed: {
    status: 503,
    title: "This has changed since it was shared",
    sentence:
      "The file was changed, moved or deleted after it was chosen. Whoever shares it has to choose it again.",
    offersStart: true,
  },
} as const satisfies { readonly [name: string]: Notice };

/** Returns a notice as a page. */
export function noticePage(notice: Notice): string {
  const start = notice.offersStart ? html`<p><a href="/">Go to the start</a></p>` : undefined;
  return frame(
    notice.title,
    html`<main class="notice"><p class="status">${notice.status}</p><h1>${notice.title}</h1><p>${notice.sentence}</p>${start}</main>`,
  );
}

/** Returns a notice for programs that do not show pages. */
export function noticeText({ status, title, sentence }: Notice): string {
  return `${status} ${title}\n${sentence}\n`;
}

/** Returns a whole page. Its style rides inside, so that it needs no second request. */
export function frame(title: string, content: Html): string {
  return html`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="robots" content="noindex"><title>${title}</title><style>${STYLE_SHEET}</style></head><body>${content}</body></html>`
    .text;
}

/** The style has nothing of others in it. */
const STYLE_SHEET = Html.join([STYLE], []);

/** Returns the policy of these pages: nothing but their own style, known by its digest. */
export function policy(): Promise<string> {
  made ??= make();
  return made;
}

let made: Promise<string> | undefined;

async function make(): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLE));
  const hash = btoa(String.fromCharCode(...new Uint8Array(digest)));
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`;
}
