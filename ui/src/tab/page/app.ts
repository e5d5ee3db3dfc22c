import { type Phase, Publication } from "../publication";
import type { Folder } from "../site/folder";
import { PickedFiles } from "../site/picked";
import { fromDrop } from "../site/picking";
import { hasEd25519 } from "../wire/proof";
import { type Key, t } from "../words";
import { choosePage } from "./choose";
import { element, fill, say } from "./dom";
import { messagePage } from "./message";
import { OnlinePage } from "./online";
import { mark } from "./scene";
import { ScreenLock } from "./screen";

/** How often figures are looked at again, in milliseconds. */
const TICK = 500;

/** How soon something new is shown, in milliseconds: at once for people, and seldom for a machine. */
const SOON = 100;

/** The whole page. */
export class App {
  readonly #main = element("main", { tabindex: -1 });
  readonly #status = element("span", { class: "status small", id: "status" });
  readonly #said = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
  readonly #publication = new Publication(() => this.#changed());
  readonly #screen = new ScreenLock();
  #online: OnlinePage | undefined;
  #shown: Phase["kind"] | undefined;
  #note: Key | undefined;
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor(place: Element) {
    document.title = `${t("title")} – Veranda`;
    const brand = element("div", { class: "brand" }, mark(), element("h1", {}, "Veranda"));
    place.replaceChildren(element("header", {}, brand, this.#status), this.#main, this.#said);
  }

  /** Looks what the browser can do, and shows the first page. */
  async begin() {
    if (!window.isSecureContext || crypto.subtle === undefined) {
      const port = location.port ? `:${location.port}` : "";
      const address = `http://localhost${port}${location.pathname}`;
      this.#only(messagePage("insecure", t("insecureTitle"), [t("insecure", { address })]));
      return;
    }
    if (!(await hasEd25519())) {
      this.#only(messagePage("old", t("oldTitle"), [t("old")]));
      return;
    }
    await this.#publication.remember();
    this.#listen();
    this.#show();
    setInterval(() => this.#update(), TICK);
  }

  #only(page: HTMLElement) {
    fill(this.#main, page);
    document.body.dataset.state = page.id;
  }

  /** Shows another state at once; other things may come many times a second. */
  #changed() {
    if (this.#publication.phase.kind !== this.#shown) {
      this.#show();
    } else {
      this.#later ??= setTimeout(() => {
        this.#later = undefined;
        this.#show();
      }, SOON);
    }
  }

  #show() {
    const { phase } = this.#publication;
    const isRunning = ["starting", "online", "away"].includes(phase.kind);
    const wasRunning = this.#online !== undefined;
    if (isRunning && !wasRunning) {
      this.#online = new OnlinePage(this.#publication, this.#screen, (text) =>
        say(this.#said, text),
      );
      fill(this.#main, this.#online.element);
      this.#main.focus({ preventScroll: true });
    } else if (!isRunning && (this.#shown !== phase.kind || wasRunning)) {
      this.#online = undefined;
      fill(this.#main, this.#page(phase));
      if (wasRunning) {
        this.#main.focus({ preventScroll: true });
      }
    }
    if (this.#shown !== phase.kind) {
      if (phase.kind === "online") {
        say(this.#said, t("saidOnline"));
      } else if (phase.kind === "away") {
        say(this.#said, t("saidAway"));
      }
    }
    this.#shown = phase.kind;
    document.body.dataset.state = phase.kind;
    say(this.#status, t(STATUS[phase.kind]));
    this.#update();
  }

  #update() {
    this.#online?.update();
    const isRunning = this.#online !== undefined;
    this.#screen.need(isRunning && this.#publication.ledger.running().length > 0, isRunning);
  }

  #page(phase: Phase): HTMLElement {
    const again = () => {
      const { folder } = this.#publication;
      if (folder) {
        this.#publication.start(folder);
      }
    };
    if (phase.kind === "replaced") {
      return messagePage("replaced", t("replacedTitle"), [t("replaced")], {
        label: t("takeBack"),
        act: again,
      });
    }
    if (phase.kind === "refused") {
      return messagePage("refused", t("refusedTitle"), [refusal(phase)], {
        label: t(phase.reason === "proof-refused" ? "retry" : "back"),
        act: phase.reason === "proof-refused" ? again : () => this.#publication.end(),
      });
    }
    const isStopped = phase.kind === "choosing" && phase.wasStopped;
    const stopped: Key = this.#publication.isKept ? "stoppedKept" : "stopped";
    return choosePage({
      isKept: this.#publication.isKept,
      note: this.#note ?? (isStopped ? stopped : undefined),
      chosen: (folder) => this.#chosen(folder),
      forget: () => {
        this.#publication.setKept(false).finally(() => {
          fill(this.#main, this.#page({ kind: "choosing", wasStopped: false }));
        });
      },
    });
  }

  #chosen(folder: Folder) {
    this.#note = undefined;
    this.#publication.start(folder);
  }

  #listen() {
    window.addEventListener("online", () => this.#publication.retryNow());
    window.addEventListener("pagehide", () => this.#publication.leave());
    window.addEventListener("pageshow", (event) => {
      // Back from the browser's memory, without its session.
      const { folder } = this.#publication;
      if (event.persisted && folder && this.#online) {
        this.#publication.start(folder);
      }
    });
    window.addEventListener("beforeunload", (event) => {
      if (this.#publication.ledger.running().length > 0) {
        event.preventDefault();
      }
    });
    // Dropping works while there is something to choose; elsewhere the browser would leave the page.
    let depth = 0;
    const over = (isOver: boolean) => {
      document.body.classList.toggle("is-over", isOver);
      const hint = document.querySelector(".or-drop");
      if (hint) {
        say(hint, t(isOver ? "dropHere" : "orDrop"));
      }
    };
    const canDrop = () => this.#publication.phase.kind === "choosing";
    document.addEventListener("dragenter", (event) => {
      event.preventDefault();
      depth += 1;
      over(canDrop());
    });
    document.addEventListener("dragleave", () => {
      depth -= 1;
      over(depth > 0 && canDrop());
    });
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      over(false);
      if (canDrop() && event.dataTransfer) {
        this.#drop(event.dataTransfer.items);
      }
    });
  }

  async #drop(items: DataTransferItemList) {
    say(this.#said, t("reading"));
    let note: Key | undefined;
    try {
      const folder = await fromDrop(items);
      if (folder !== undefined && !(folder instanceof PickedFiles && folder.count === 0)) {
        this.#chosen(folder);
        return;
      }
      note = "nothingThere";
    } catch {
      note = "cannotOpen";
    }
    this.#note = note;
    fill(this.#main, this.#page(this.#publication.phase));
  }
}

const STATUS: { readonly [kind in Phase["kind"]]: Key } = {
  choosing: "notPublished",
  starting: "connecting",
  online: "connected",
  away: "away",
  replaced: "notPublished",
  refused: "notPublished",
};

function refusal({ reason, sentence }: Phase & { kind: "refused" }): string {
  switch (reason) {
    case "not-admitted":
      return t("notAdmitted");
    case "proof-refused":
      return t("refusedClock");
    default:
      return sentence ? t("refused", { sentence }) : t("refusedSilent");
  }
}
