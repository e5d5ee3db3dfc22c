import type { Ledger, Transfer } from "../ledger";
import { bytes, percent, t, timeLeft } from "../words";
import { element, fill, nameLine, say } from "./dom";

interface Row {
  readonly line: HTMLElement;
  readonly bar: HTMLProgressElement;
  readonly amount: HTMLElement;
  readonly rate: HTMLElement;
  readonly left: HTMLElement;
}

/** What visitors fetch now, and what they fetched. */
export class Transfers {
  readonly element: HTMLElement;
  readonly #running = element("ul", { class: "rows" });
  readonly #nobody = element("p", { class: "quiet nobody" }, t("nobody"));
  readonly #done = element("section", { class: "panel", hidden: true, "aria-label": t("done") });
  readonly #ended = element("ul", { class: "rows" });
  readonly #rows = new Map<number, Row>();
  #lastEnded: number | undefined;
  readonly #announce: (text: string) => void;

  /** `announce` tells people who do not see the page. */
  constructor(announce: (text: string) => void) {
    this.#announce = announce;
    this.#done.append(element("h3", {}, t("done")), this.#ended);
    this.element = element(
      "div",
      { class: "transfers" },
      element(
        "section",
        { class: "panel", "aria-label": t("underWay") },
        element("h3", {}, t("underWay")),
        this.#nobody,
        this.#running,
      ),
      this.#done,
    );
  }

  /** Shows how things are now. Rows stay the same elements, so nothing jumps or loses focus. */
  update(ledger: Ledger) {
    const running = ledger.running();
    this.#nobody.hidden = running.length > 0;
    for (const [id, { line }] of this.#rows) {
      if (!running.some((transfer) => transfer.id === id)) {
        line.remove();
        this.#rows.delete(id);
      }
    }
    for (const transfer of running) {
      let row = this.#rows.get(transfer.id);
      if (row === undefined) {
        row = begin(transfer);
        this.#rows.set(transfer.id, row);
        this.#running.append(row.line);
      }
      show(row, transfer);
    }
    this.#showEnded(ledger.ended());
  }

  #showEnded(ended: readonly Transfer[]) {
    const [newest] = ended;
    if (newest === undefined || newest.id === this.#lastEnded) {
      return;
    }
    this.#lastEnded = newest.id;
    this.#done.hidden = false;
    fill(this.#ended, ...ended.map(past));
    this.#announce(
      t(newest.state === "complete" ? "saidComplete" : "saidCut", { name: newest.name }),
    );
  }
}

function begin({ name, size }: Transfer): Row {
  const bar = element("progress", { max: size, value: 0, "aria-label": name });
  const [amount, rate, left] = [
    element("span"),
    element("bdi"),
    element("span", { class: "left" }),
  ];
  const line = element(
    "li",
    { class: "transfer" },
    nameLine(name),
    bar,
    element("p", { class: "quiet small figures" }, amount, rate, left),
  );
  return { line, bar, amount, rate, left };
}

function show({ bar, amount, rate, left }: Row, transfer: Transfer) {
  const { size, delivered, rate: perSecond } = transfer;
  const amounts = {
    percent: percent(delivered / size),
    delivered: bytes(delivered),
    size: bytes(size),
  };
  bar.value = delivered;
  bar.setAttribute("aria-valuetext", t("progress", amounts));
  say(amount, t("of", amounts));
  say(rate, perSecond > 0 ? `${bytes(perSecond)}/s` : "");
  say(left, remaining(transfer));
}

function remaining({ size, delivered, rate }: Transfer): string {
  if (delivered === size) {
    return "";
  }
  return rate > 0 ? timeLeft((size - delivered) / rate) : t("waiting");
}

function past({ name, size, delivered, state }: Transfer): HTMLElement {
  const amounts = { delivered: bytes(delivered), size: bytes(size) };
  const isComplete = state === "complete";
  return element(
    "li",
    { class: isComplete ? "past" : "past is-cut" },
    nameLine(name),
    element("p", { class: "quiet small" }, t(isComplete ? "complete" : "cut", amounts)),
  );
}
