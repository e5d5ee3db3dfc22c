import type { Publication } from "../publication";
import { shown } from "../site/names";
import { PickedFiles } from "../site/picked";
import { t } from "../words";
import { element, fill, say } from "./dom";
import { qrDialog } from "./qr";
import { Transfers } from "./transfers";

/** Whether the screen is kept on. */
export interface Awake {
  readonly isOffered: boolean;
  readonly isOn: boolean;
  set(isOn: boolean): void;
}

/** The page while something is published, with or without a connection at the moment. */
export class OnlinePage {
  readonly element: HTMLElement;
  readonly #publication: Publication;
  readonly #trouble = element("div", { class: "note warn trouble", hidden: true });
  readonly #troubleText = element("p");
  readonly #nextTry = element("span");
  readonly #url = element("span", { class: "url", id: "link", dir: "ltr" });
  readonly #buttons: HTMLButtonElement[];
  readonly #copyFailed = element("p", { class: "error small" });
  readonly #visitors = element("p", { class: "quiet small", id: "visitors" });
  readonly #transfers: Transfers;

  constructor(publication: Publication, awake: Awake, announce: (text: string) => void) {
    this.#publication = publication;
    this.#transfers = new Transfers(announce);
    const { folder } = publication;
    const count =
      folder instanceof PickedFiles ? t("fileCount", { count: folder.count }) : t("folderLive");
    const copy = element("button", { type: "button", class: "button main", id: "copy" }, t("copy"));
    copy.addEventListener("click", () => this.#copy(copy, announce));
    const open = element("button", { type: "button", class: "button", id: "open" }, t("open"));
    open.addEventListener("click", () => window.open(publication.url, "_blank", "noopener"));
    const qr = element("button", { type: "button", class: "button", id: "qr" }, t("qr"));
    qr.setAttribute("aria-haspopup", "dialog");
    qr.addEventListener("click", () => this.#showQr());
    this.#buttons = [copy, open, qr];
    const retry = () => publication.retryNow();
    this.#trouble.append(
      this.#troubleText,
      element(
        "p",
        { class: "again" },
        this.#nextTry,
        element(
          "button",
          { type: "button", class: "button", id: "retry", onclick: retry },
          t("retry"),
        ),
      ),
    );
    this.element = element(
      "div",
      { class: "online" },
      this.#trouble,
      element(
        "article",
        { class: "panel card", "aria-labelledby": "site-title" },
        element(
          "h2",
          { class: "name big-title clamped", id: "site-title", dir: "auto" },
          shown(folder?.title ?? ""),
        ),
        element("p", { class: "quiet small count" }, count),
        element(
          "p",
          { class: "link-line" },
          element("span", { class: "unseen" }, `${t("link")}: `),
          this.#url,
        ),
        element("div", { class: "actions" }, ...this.#buttons),
        this.#copyFailed,
        isLocal() && element("p", { class: "quiet small" }, t("localOnly")),
        element("p", { class: "tab-note" }, t("tabNote")),
        this.#visitors,
      ),
      this.#transfers.element,
      this.#options(awake),
    );
    this.update();
  }

  /** Shows how things are now. */
  update() {
    const { phase, url, ledger } = this.#publication;
    const isUp = phase.kind === "online";
    const isAway = phase.kind === "away";
    this.#trouble.hidden = !isAway;
    if (isAway) {
      const { sentence } = phase;
      const lost = t(navigator.onLine ? "lost" : "lostOffline");
      say(this.#troubleText, sentence ? t("refused", { sentence }) : lost);
      const count = Math.ceil((phase.nextTry - Date.now()) / 1000);
      say(this.#nextTry, count > 0 ? t("nextTry", { count }) : t("trying"));
    }
    // A name that the gateway never confirmed is no link yet.
    const hasLink = url !== undefined && (isUp || this.#url.classList.contains("is-known"));
    this.#url.classList.toggle("is-known", hasLink);
    say(this.#url, hasLink ? url : t("starting"));
    for (const button of this.#buttons) {
      button.disabled = !hasLink;
    }
    const count = ledger.visitors;
    say(this.#visitors, count > 0 ? t("visitors", { count }) : t("noVisitors"));
    this.#transfers.update(ledger);
  }

  #options(awake: Awake): HTMLElement {
    const failed = element("p", { class: "error small", role: "alert" });
    const keep = (event: Event) => {
      const box = event.target as HTMLInputElement;
      fill(failed);
      this.#publication.setKept(box.checked).catch(() => {
        box.checked = false;
        fill(failed, t("keepFailed"));
      });
    };
    const stop = element(
      "button",
      { type: "button", class: "button", id: "stop", onclick: () => this.#publication.end() },
      t("stop"),
    );
    const { isKept } = this.#publication;
    return element(
      "section",
      { class: "panel options" },
      option("keep", t("keep"), t("keepHint"), isKept, keep),
      failed,
      awake.isOffered &&
        option("awake", t("awake"), t("awakeHint"), awake.isOn, (event) => {
          awake.set((event.target as HTMLInputElement).checked);
        }),
      element("div", { class: "actions" }, stop),
    );
  }

  async #copy(button: HTMLButtonElement, announce: (text: string) => void) {
    try {
      await navigator.clipboard.writeText(this.#publication.url ?? "");
      say(button, t("copied"));
      say(this.#copyFailed, "");
      announce(t("copied"));
      setTimeout(() => say(button, t("copy")), 2000);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(this.#url);
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
      announce(t("copyFailed"));
      say(this.#copyFailed, t("copyFailed"));
    }
  }

  #showQr() {
    const { url, folder } = this.#publication;
    if (url !== undefined) {
      const title = shown(folder?.title ?? "");
      const dialog = qrDialog(url, title, t(isLocal() ? "qrLocal" : "qrHint"), t("close"));
      this.element.append(dialog);
      dialog.showModal();
    }
  }
}

function option(
  id: string,
  label: string,
  hint: string,
  isOn: boolean,
  onchange: (event: Event) => void,
): HTMLElement {
  const box = element("input", {
    type: "checkbox",
    id,
    "aria-describedby": `${id}-hint`,
    onchange,
  });
  box.checked = isOn;
  return element(
    "div",
    { class: "option" },
    box,
    element("label", { for: id }, label),
    element("p", { class: "quiet small", id: `${id}-hint` }, hint),
  );
}

/** Returns whether only this computer can follow links of this gateway. */
function isLocal(): boolean {
  return ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
}
