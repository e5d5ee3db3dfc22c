import { createContext } from "svelte";
import type { Record as Ended, Problem, Request, View } from "../generated/bindings";
import { asProblem, type Backend } from "./backend";
import { quotedNameOf } from "./hand-over";
import { locale, speak, t } from "./words";

/** How often times such as "2 minutes ago" are written anew. */
const CLOCK_STEP = 10_000;

/** What the parts of the window share: the last view, and the way to ask for something. */
export class Desk {
  /** The last view; `undefined` until the first one arrives. */
  view = $state.raw<View>();
  /** What is in front. */
  page = $state<"home" | "settings">("home");
  /** Whether no view will come: the backend cannot be watched. */
  isCutOff = $state(false);
  /** The last request that failed where no field shows it. */
  refusal = $state.raw<Problem>();
  /** Milliseconds since 1970, in steps. */
  now = $state(Date.now());
  /** What is read out by a screen reader. */
  said = $state("");

  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Connects to the backend; returns what ends the clock. */
  open(): () => void {
    this.#backend.watch((view) => this.#show(view)).catch((reason) => this.#cutOff(reason));
    const clock = setInterval(() => {
      this.now = Date.now();
    }, CLOCK_STEP);
    return () => clearInterval(clock);
  }

  /** Asks for something; a failure is shown at the top. Returns whether it worked. */
  act = async (request: Request): Promise<boolean> => {
    this.refusal = await this.attempt(request);
    return this.refusal === undefined;
  };

  /** Asks for something and returns what went wrong, to be shown at a field. */
  attempt = async (request: Request): Promise<Problem | undefined> => {
    try {
      await this.#backend.ask(request);
      return undefined;
    } catch (reason) {
      return asProblem(reason);
    }
  };

  /** Brings a page to the front. */
  go(page: Desk["page"]): void {
    this.refusal = undefined;
    this.page = page;
  }

  /** Reads something out without moving the focus. */
  say = (sentence: string): void => {
    // The same sentence twice in a row would not be read again.
    this.said = sentence === this.said ? `${sentence}\u00a0` : sentence;
  };

  #show(view: View): void {
    const before = this.view;
    if (view.language !== locale()) {
      speak(view.language);
    }
    this.view = view;
    this.now = Date.now();
    if (before?.phase.type === "ready" && view.phase.type === "ready") {
      this.#sayWhatChanged(before, view);
    }
  }

  #sayWhatChanged(before: View, view: View): void {
    const known = new Set(before.history.map((record) => record.id));
    const ended = view.history.filter((record) => !known.has(record.id));
    if (ended.length > 0) {
      this.say(news(ended));
    }
    const noted = view.sites.find((site) => {
      const old = before.sites.find(({ id }) => id === site.id);
      const newest = site.notes[0];
      return newest && old && !newest.seen && !old.notes.some(({ id }) => id === newest.id);
    });
    if (noted) {
      this.say(t("notes.said", { name: noted.name }));
    }
    const isOpened =
      (view.openNotes !== null && before.openNotes === null) ||
      (view.openHandOver !== null && before.openHandOver === null);
    if (isOpened) {
      this.page = "home";
    }
    this.#sayWhatIsHandedOver(before, view);
    const published = view.sites.find((site) => !before.sites.some(({ id }) => id === site.id));
    if (published) {
      this.page = "home";
      this.say(t("sites.added", { name: published.name }));
    }
    const removed = before.sites.find((site) => !view.sites.some(({ id }) => id === site.id));
    if (removed) {
      this.say(t("sites.removed", { name: removed.name }));
    }
  }

  #sayWhatIsHandedOver(before: View, view: View): void {
    for (const one of view.handOvers) {
      const name = quotedNameOf(one);
      const old = before.handOvers.find(({ id }) => id === one.id);
      if (!old) {
        this.page = "home";
        this.say(t("handOver.saidMade", { name }));
        return;
      }
      const knock = one.knocks.find(({ id }) => !old.knocks.some((known) => known.id === id));
      const file = one.received[0];
      if (knock) {
        this.say(t("handOver.saidKnock", { who: knock.who, name }));
      } else if (file && file.at !== old.received[0]?.at) {
        this.say(t("handOver.saidReceived", { file: file.file }));
      } else if (one.stage.type === "done" && old.stage.type !== "done") {
        this.say(t(one.stage.certain ? "handOver.saidDelivered" : "handOver.saidSent", { name }));
      } else if (one.stage.type === "cut" && old.stage.type !== "cut") {
        this.say(t("handOver.saidCut", { name: one.stage.file }));
      }
    }
  }

  #cutOff(reason: unknown): void {
    this.isCutOff = true;
    this.refusal = asProblem(reason);
  }
}

function news(ended: Ended[]): string {
  const [first, ...others] = ended;
  if (!first || others.length > 0) {
    return t("history.saidMany", { count: ended.length });
  }
  const key = first.end.type === "complete" ? "history.saidComplete" : "history.saidCut";
  return t(key, { file: first.file });
}

/** The desk of the window that a part is in. */
export const [desk, setDesk] = createContext<Desk>();
