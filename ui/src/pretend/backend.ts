import type {
  Account,
  HandOver,
  Note,
  Problem,
  Request,
  TestState,
  TypedAccount,
  View,
} from "../generated/bindings";
import type { Backend } from "../lib/backend";
import { plain } from "../lib/chat";
import { files, film } from "./hand-overs";
import { photos } from "./scenes";

/** How often transfers go on in a scene that moves. */
const STEP = 500;

/** A backend without an app: it shows a view, and does in it what is asked for. */
export class Pretend implements Backend {
  /** Everything that was asked for, in order. */
  readonly asked: Request[] = [];
  /** The next request is refused with this. */
  refuseWith: Problem | undefined;
  /** What each test of an account finds. */
  testState: TestState;
  /** How often the dialog was opened. */
  dialogs = 0;

  #view: View;
  #listeners: ((view: View) => void)[] = [];

  constructor(view: View) {
    this.#view = view;
    this.testState = view.accountTest?.state ?? { type: "works" };
  }

  /** What is shown now. */
  get present(): View {
    return this.#view;
  }

  async ask(request: Request): Promise<void> {
    this.asked.push(request);
    const problem = this.refuseWith;
    this.refuseWith = undefined;
    if (problem) {
      throw problem;
    }
    if (request.type.startsWith("choose")) {
      this.dialogs += 1;
    }
    this.show(this.#differences(request));
  }

  async watch(listener: (view: View) => void): Promise<void> {
    this.#listeners.push(listener);
    listener(this.#view);
  }

  /** Shows the present view with these differences. */
  show(differences: Partial<View>): void {
    this.#view = { ...this.#view, ...differences };
    for (const listener of this.#listeners) {
      listener(this.#view);
    }
  }

  /** Lets the transfers go on; returns what ends that. */
  play(): () => void {
    const clock = setInterval(() => this.#step(), STEP);
    return () => clearInterval(clock);
  }

  #step(): void {
    this.show({
      transfers: this.#view.transfers.map((transfer) => {
        const delivered = Math.min(
          transfer.size,
          transfer.delivered + (transfer.rate * STEP) / 1000,
        );
        const left = Math.ceil((transfer.size - delivered) / transfer.rate);
        return { ...transfer, delivered, secondsLeft: Number.isFinite(left) ? left : null };
      }),
      handOvers: this.#view.handOvers.map((one) => ({
        ...one,
        passing: one.passing.map((passing) => {
          const next = passing.arrived + (passing.rate * STEP) / 1000;
          return { ...passing, arrived: Math.min(passing.size ?? next, next) };
        }),
      })),
    });
  }

  #notes(change: (note: Note) => Note | undefined): Partial<View> {
    const sites = this.#view.sites.map((site) => ({
      ...site,
      notes: site.notes.map(change).filter((note) => note !== undefined),
    }));
    return { sites };
  }

  #handOvers(change: (one: HandOver) => HandOver): Partial<View> {
    return { handOvers: this.#view.handOvers.map(change) };
  }

  #made(more: Partial<HandOver>): Partial<View> {
    const made = { ...film(Date.now()), id: `made-${this.asked.length}`, ...more };
    return { draft: null, handOvers: [made, ...this.#view.handOvers] };
  }

  #differences(request: Request): Partial<View> {
    const { sites, settings, identity } = this.#view;
    const change = (id: string, differences: Partial<View["sites"][number]>) => ({
      sites: sites.map((site) => (site.id === id ? { ...site, ...differences } : site)),
    });
    switch (request.type) {
      case "answerKnock":
        return this.#handOvers((one) => ({
          ...one,
          knocks: one.knocks.filter(({ id }) => id !== request.knock),
        }));
      case "askForFiles": {
        const folder = this.#view.draft?.type === "ask" ? this.#view.draft.folder : "/tmp";
        const { note, askFirst, largest } = request;
        return this.#made({
          direction: { type: "ask", folder, largest, filesLeft: 100 },
          note,
          askFirst,
        });
      }
      case "cancelDraft":
        return { draft: null };
      case "chooseFiles":
        return { draft: files() };
      case "chooseInbox":
        return { draft: { type: "ask", folder: "/home/anna/Pictures/From others" } };
      case "endHandOver":
        return { handOvers: this.#view.handOvers.filter(({ id }) => id !== request.handOver) };
      case "openHandOver":
        return { openHandOver: request.handOver };
      case "prepareAsk":
        return { draft: { type: "ask", folder: "/home/anna/Downloads" } };
      case "removeFinished":
        return { handOvers: this.#view.handOvers.filter(({ stage }) => stage.type !== "done") };
      case "seeHandOver":
        return { openHandOver: null };
      case "sendFiles":
        return this.#made({ note: request.note, askFirst: request.askFirst });
      case "addFolder":
      case "chooseFolder":
        return {
          sites: [...sites, { ...photos(), id: `site-${this.asked.length}`, visitors: 0 }],
        };
      case "answerNote":
        return this.#notes((note) =>
          note.id === request.note
            ? { ...note, seen: true, answer: { text: request.text, at: Date.now(), arrived: true } }
            : note,
        );
      case "blockWriter":
        return {
          sites: sites.map((site) => {
            const writer = site.notes.find(({ id }) => id === request.note)?.who;
            const notes = site.notes.filter(({ who }) => who !== writer);
            return writer ? { ...site, notes, blocked: site.blocked + 1 } : site;
          }),
        };
      case "forgetNote":
        return this.#notes((note) => (note.id === request.note ? undefined : note));
      case "openNotes":
        return { openNotes: request.site };
      case "seeNotes":
        return { openNotes: null, ...change(request.site, { newNotes: 0 }) };
      case "setTakesNotes":
        return change(request.site, { takesNotes: request.takes });
      case "unblockWriters":
        return change(request.site, { blocked: 0 });
      case "clearHistory":
        return { history: [] };
      case "createKeyFile":
      case "unlockKeyFile":
      case "retry":
        return { phase: { type: "ready" }, connection: connected() };
      case "dismissProblem":
        return { problem: null };
      case "pauseAll":
        return { paused: request.paused };
      case "removeSite":
        return { sites: sites.filter((site) => site.id !== request.site) };
      case "renameIdentity":
        return { identity: identity && { ...identity, name: request.name } };
      case "renameSite":
        return change(request.site, { name: request.name });
      case "setHiddenFiles":
        return change(request.site, { hiddenFiles: request.shown });
      case "setNotification":
        return { settings: { ...settings, [NOTIFICATIONS[request.kind]]: request.on } };
      case "setSiteOn":
        return change(request.site, { on: request.on });
      case "setStartAtLogin":
        return { settings: { ...settings, startAtLogin: request.on } };
      case "stopTransfer":
        return { transfers: this.#view.transfers.filter(({ id }) => id !== request.transfer) };
      case "useGateway": {
        const { account, address } = request;
        return {
          gateway: address
            ? { type: "remote", address: written(address) }
            : { type: "embedded", address: "http://localhost:8423/" },
          ...(account && {
            account: kept(account),
            accountTest: {
              jid: kept(account).jid,
              gateway: address,
              state: { type: "works" },
            },
          }),
        };
      }
      case "forgetAccount":
        return {
          account: null,
          accountTest: null,
          gateway: { type: "embedded", address: "http://localhost:8423/" },
        };
      case "testAccount":
        return {
          accountTest: {
            jid: request.account.jid,
            gateway: request.gateway,
            state: this.testState,
          },
        };
      case "copyHandOverLink":
      case "copyLink":
      case "openHandOverLink":
      case "openLink":
      case "showReceived":
      case "quit":
      case "showWindow":
        return {};
    }
  }
}

const NOTIFICATIONS = {
  connection: "notifyConnection",
  firstVisitor: "notifyFirstVisitor",
  handOver: "notifyHandOver",
  knock: "notifyKnock",
  note: "notifyNote",
  transferFinished: "notifyTransferFinished",
} as const;

function connected(): View["connection"] {
  return { type: "connected", how: "petrichor", since: Date.now(), missed: [], pace: null };
}

/** Writes an account as the app keeps it. */
function kept({ jid, server }: TypedAccount): Account {
  const place = server && !/:\d+$/.test(server) ? `${server}:5222` : server;
  return { jid: plain(jid), server: place, hasPassword: true };
}

/** Returns an address as the app keeps it. */
function written(address: string): string {
  return /:\/\/|@|^xmpp:/i.test(address) ? address : `https://${address}`;
}
