import { forget, type Kept, keep, loadKept } from "./kept";
import { newLabel } from "./label";
import { Ledger } from "./ledger";
import { Serving } from "./serving";
import { Door } from "./site/door";
import type { Folder } from "./site/folder";
import { Site } from "./site/site";
import { askGateway, type GatewayInfo, Refused, releaseName } from "./wire/gateway";
import { WireError } from "./wire/objects";
import { generateKeys, prove, randomToken } from "./wire/proof";
import { Session, sleep } from "./wire/session";

/** Where a publication is. Times are milliseconds since 1970. */
export type Phase =
  | { readonly kind: "choosing"; readonly wasStopped: boolean }
  | { readonly kind: "starting" }
  | { readonly kind: "online" }
  /** There is no link; the next try is at this time. `sentence` is what the gateway said to that. */
  | { readonly kind: "away"; readonly nextTry: number; readonly sentence: string }
  /** Another tab of this browser uses the address now. */
  | { readonly kind: "replaced" }
  /** The gateway does not let us, and trying again does not help by itself. */
  | { readonly kind: "refused"; readonly reason: string; readonly sentence: string };

/**
 * A session that lived this long, in milliseconds, was a good one: after its loss the next begins at
 * once. A gateway that ends each of them sooner is left in peace for a while.
 */
const GOOD_AFTER = 10_000;

/** How long to wait before the first new try, and at most, in milliseconds. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [1000, 30_000];

/**
 * How often a proof is made in advance that gives the name back when the tab closes, in milliseconds:
 * a proof is good for a minute, and there is no time to sign one then.
 */
const FAREWELL = 40_000;

/** How many new names are tried when the first is somebody else's. */
const MAX_NAMES = 5;

/** How `fetch` is called: nothing is kept, nothing but the gateway is asked. */
function ask(path: string, init: RequestInit): Promise<Response> {
  return fetch(path, { ...init, cache: "no-store", credentials: "omit", redirect: "error" });
}

/** One thing that is published from this tab, from being chosen until it is taken back. */
export class Publication {
  readonly #changed: () => void;
  #phase: Phase = { kind: "choosing", wasStopped: false };
  #folder: Folder | undefined;
  #address: Kept | undefined;
  #isKept = false;
  #info: GatewayInfo | undefined;
  #serving: Serving | undefined;
  #ledger = new Ledger();
  /** Ends everything that belongs to this publication. */
  #stop = new AbortController();
  /** A fresh proof for giving the name back. */
  #farewell: string | undefined;
  /** Ends a pause before the next try. */
  #hurry = new AbortController();

  /** `changed` is called after every change; it is cheap to call it often. */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get phase(): Phase {
    return this.#phase;
  }

  get folder(): Folder | undefined {
    return this.#folder;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** Whether the address outlives this tab. */
  get isKept(): boolean {
    return this.#isKept;
  }

  /** The session URL; `undefined` until the gateway confirmed its name. */
  get url(): string | undefined {
    const [info, address] = [this.#info, this.#address];
    return info && address && `${origin(info, address)}/s/${address.token}`;
  }

  /** Looks whether an address was kept, so that the page can say so. */
  async remember(): Promise<void> {
    this.#address = await loadKept();
    this.#isKept = this.#address !== undefined;
    this.#changed();
  }

  /** Publishes. */
  async start(folder: Folder): Promise<void> {
    const stop = new AbortController();
    this.#stop = stop;
    this.#folder = folder;
    this.#ledger = new Ledger();
    this.#go({ kind: "starting" });
    let pause = FIRST_PAUSE;
    let names = 0;
    while (!stop.signal.aborted) {
      let upSince = Number.POSITIVE_INFINITY;
      let sentence = "";
      const wasGood = () => performance.now() - upSince >= GOOD_AFTER;
      try {
        await this.#serve(folder, stop, () => {
          upSince = performance.now();
        });
        if (wasGood()) {
          pause = FIRST_PAUSE;
          continue;
        }
      } catch (error) {
        if (stop.signal.aborted) {
          break;
        }
        if (error instanceof Refused && error.status === 409 && names < MAX_NAMES) {
          // Somebody else has this name: another will do, although not for a kept link.
          names += 1;
          this.#address = undefined;
          continue;
        }
        if (wasGood()) {
          pause = FIRST_PAUSE;
          if (error instanceof Refused && error.status === 410) {
            // The gateway knows the session no more, after a long sleep for example.
            continue;
          }
        }
        if (error instanceof Refused && !error.isWorthRetrying) {
          this.#ledger.cutAll();
          this.#go({ kind: "refused", reason: error.reason, sentence: error.sentence });
          return;
        }
        if (!(error instanceof Refused || error instanceof WireError || isOfTheNetwork(error))) {
          console.error(error);
        }
        if (error instanceof Refused) {
          pause = Math.max(pause, error.retryAfter ?? 0);
          sentence = error.sentence;
        }
      }
      await this.#pause(pause, stop.signal, sentence);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  /** Takes it back: the link is dead. */
  async end(): Promise<void> {
    this.#serving?.leave();
    this.#stop.abort();
    this.#ledger.cutAll();
    this.#folder = undefined;
    this.#go({ kind: "choosing", wasStopped: true });
    const [info, address] = [this.#info, this.#address];
    if (!this.#isKept) {
      this.#address = undefined;
      if (info && address) {
        releaseName(address.label, await proof(address, info));
      }
    }
  }

  /** The page goes away, and with it the key of an address that is not kept. */
  leave() {
    this.#serving?.leave();
    this.#stop.abort();
    if (!this.#isKept && this.#address && this.#farewell) {
      releaseName(this.#address.label, this.#farewell);
    }
  }

  /** Tries again at once. */
  retryNow() {
    this.#hurry.abort();
  }

  /** Keeps the address for the next time, or forgets it. Throws where the browser cannot. */
  async setKept(isKept: boolean): Promise<void> {
    if (isKept && this.#address) {
      await keep(this.#address);
    } else {
      await forget();
      if (this.#folder === undefined) {
        this.#address = undefined;
      }
    }
    this.#isKept = isKept;
    this.#changed();
  }

  /** Holds one session until it is lost; throws why. */
  async #serve(folder: Folder, stop: AbortController, isUp: () => void): Promise<void> {
    // Asked anew each time: after a sleep, the clocks may differ by another amount.
    const info = await askGateway();
    this.#info = info;
    this.#address ??= {
      keys: await generateKeys(),
      label: newLabel(folder.title),
      token: randomToken(),
    };
    const address = this.#address;
    await this.#lock(address.label, stop);
    const shown = await proof(address, info);
    if (stop.signal.aborted) {
      return;
    }
    const session = await Session.begin(ask, address.label, shown);
    const close = () => session.close();
    let timer: ReturnType<typeof setInterval> | undefined;
    stop.signal.addEventListener("abort", close);
    try {
      if (stop.signal.aborted) {
        session.leave([]);
        return;
      }
      if (this.#isKept) {
        await keep(address);
      }
      const isSecure = info.sites.startsWith("https:");
      const site = new Site(folder, new Door(address.token, address.label, isSecure));
      const serving = new Serving(session, site, this.#ledger, this.#changed);
      this.#serving = serving;
      isUp();
      this.#go({ kind: "online" });
      const prepare = async () => {
        this.#farewell = await proof(address, info);
      };
      prepare();
      timer = setInterval(prepare, FAREWELL);
      let pause = FIRST_PAUSE;
      while (!stop.signal.aborted) {
        try {
          const isOver = serving.take(await session.poll());
          pause = FIRST_PAUSE;
          if (isOver) {
            return;
          }
          if (this.#phase.kind !== "online") {
            this.#go({ kind: "online" });
          }
        } catch (error) {
          // A connection that broke is no lost session yet, nor is a proxy without patience.
          if (!(isOfTheNetwork(error) || isOfAProxy(error)) || pause >= LONGEST_PAUSE) {
            throw error;
          }
          await this.#pause(pause, stop.signal);
          pause = Math.min(pause * 2, LONGEST_PAUSE);
        }
      }
    } finally {
      clearInterval(timer);
      stop.signal.removeEventListener("abort", close);
      session.close();
      this.#serving = undefined;
      this.#ledger.cutAll();
    }
  }

  async #pause(pause: number, stop: AbortSignal, sentence = "") {
    if (stop.aborted) {
      return;
    }
    // Not all at once after the gateway was away.
    const jittered = pause * (0.75 + Math.random() / 2);
    this.#hurry = new AbortController();
    this.#go({ kind: "away", nextTry: Date.now() + jittered, sentence });
    await sleep(jittered, AbortSignal.any([stop, this.#hurry.signal]));
  }

  #go(phase: Phase) {
    this.#phase = phase;
    this.#changed();
  }

  #lockedFor: AbortController | undefined;

  /**
   * Takes the address for this tab; the tab that had it before learns that it lost it. A page that
   * holds a lock is also not put to sleep by its browser.
   */
  #lock(label: string, stop: AbortController): Promise<void> {
    if (this.#lockedFor === stop || navigator.locks === undefined) {
      return Promise.resolve();
    }
    this.#lockedFor = stop;
    return new Promise((taken) => {
      const held = navigator.locks.request(`veranda-publish-${label}`, { steal: true }, () => {
        taken();
        return new Promise<void>((release) => {
          stop.signal.addEventListener("abort", () => release());
        });
      });
      held.catch(() => {
        taken();
        if (!stop.signal.aborted) {
          // The gateway learns of it, so that visitors come to the other tab at once.
          this.#serving?.leave();
          stop.abort();
          this.#ledger.cutAll();
          this.#go({ kind: "replaced" });
        }
      });
    });
  }
}

function proof({ keys }: Kept, { origin, ahead }: GatewayInfo): Promise<string> {
  return prove(keys, origin, Date.now() + ahead);
}

function origin({ sites }: GatewayInfo, { label }: Kept): string {
  return sites.replace("*", label);
}

/** The gateway itself never answers so. */
function isOfAProxy(error: unknown): boolean {
  return error instanceof Refused && (error.status === 502 || error.status === 504);
}

/** `fetch` throws a TypeError when it cannot reach anybody, and a DOMException when it gave up. */
function isOfTheNetwork(error: unknown): boolean {
  return error instanceof TypeError || error instanceof DOMException;
}
