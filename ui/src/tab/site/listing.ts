import type { Entry } from "./folder";
import { type Html, html } from "./html";
import { compareNames, shown } from "./names";
import { frame } from "./pages";
import { pathPart } from "./path";

/** How many entries are listed, as in the app: a page of about 4 MB, which a phone still shows. */
export const MAX_ENTRIES = 10_000;

/** Returns the page that lists a folder; it looks as the app's does. */
export function listing(
  title: string,
  names: readonly string[],
  entries: readonly Entry[],
  isCut: boolean,
): string {
  const sorted = [...entries].sort((left, right) => {
    return Number(right.isFolder) - Number(left.isFolder) || compareNames(left.name, right.name);
  });
  const here = shown(names.at(-1) ?? title);
  const folders = entries.filter((entry) => entry.isFolder).length;
  const content =
    entries.length === 0
      ? html`<p class="empty"><strong>This folder is empty.</strong>Perhaps files are still being put into it: look again later, or ask whoever sent you the link.</p>`
      : html`<p class="count">${count(folders, entries.length - folders)}</p><ul class="entries">${sorted.map(line)}</ul>`;
  const more = isCut
    ? html`<p class="more">There is more in this folder than the ${entries.length} entries that this page can show. What is missing opens at its own address.</p>`
    : undefined;
  const above = names.length > 0 ? breadcrumb(title, names) : undefined;
  return frame(
    here,
    html`<svg class="shapes" aria-hidden="true"><symbol id="file" viewBox="0 0 20 20"><path d="M5 2.5h6.5L15.5 6.5v11H5zM11.5 2.5v4h4"></path></symbol><symbol id="folder" viewBox="0 0 20 20"><path d="M2.5 4.5h5l2 2h8v9.5h-15z"></path></symbol><symbol id="get" viewBox="0 0 20 20"><path d="M10 3v9.5M6 9l4 4 4-4M4 16.5h12"></path></symbol></svg><main>${above}<h1><bdi>${here}</bdi></h1>${content}${more}</main>`,
  );
}

function breadcrumb(title: string, names: readonly string[]): Html {
  const above = [title, ...names.slice(0, -1)].map((name, index) => {
    const steps = "../".repeat(names.length - index);
    return html`<li><a href="${steps}"><bdi>${shown(name)}</bdi></a></li>`;
  });
  return html`<nav aria-label="Folders above"><ol>${above}</ol></nav>`;
}

function line({ name, isFolder, size, modified }: Entry): Html {
  const address = pathPart(name);
  const label = shown(name);
  if (isFolder) {
    return html`<li class="folder"><svg aria-hidden="true"><use href="#folder"></use></svg><a class="name" href="${address}/"><bdi>${label}</bdi></a><span class="size"></span>${day(modified)}<span></span></li>`;
  }
  return html`<li><svg aria-hidden="true"><use href="#file"></use></svg><a class="name" href="${address}"><bdi>${label}</bdi></a><span class="size">${sizeText(size)}</span>${day(modified)}<a class="get" href="${address}?download" aria-label="Download ${label}" title="Download"><svg aria-hidden="true"><use href="#get"></use></svg></a></li>`;
}

function day(modified: number | undefined): Html {
  // `Sat, 21 Nov 2026 08:00:00 GMT`, where four digits are enough for the year.
  const whole = modified === undefined ? "" : new Date(modified).toUTCString();
  const found = /^\w{3}, 0?(\d{1,2} \w{3} \d{4}) (\d\d:\d\d)/.exec(whole);
  if (found?.[1] === undefined || found[2] === undefined) {
    return html`<span class="date"></span>`;
  }
  return html`<span class="date" title="${found[1]}, ${found[2]} UTC">${found[1]}</span>`;
}

function count(folders: number, files: number): string {
  const several = (count: number, one: string, many: string) => {
    return count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
  };
  return [...several(folders, "folder", "folders"), ...several(files, "file", "files")].join(", ");
}

/** Returns a size as file managers write it, in steps of 1000. */
export function sizeText(bytes: number): string {
  if (bytes < 1000) {
    return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  }
  let amount = bytes / 1000;
  let unit = "KB";
  for (const larger of ["MB", "GB", "TB", "PB"]) {
    // 999.95 of this unit is written as 1.0 of the larger one.
    if (amount < 999.95) {
      break;
    }
    amount /= 1000;
    unit = larger;
  }
  return `${amount < 9.95 ? amount.toFixed(1) : Math.round(amount)} ${unit}`;
}
