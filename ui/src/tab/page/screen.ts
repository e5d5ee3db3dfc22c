import type { Awake } from "./online";

/**
 * Keeps the screen on, where the browser can: while somebody fetches something, and as long as the
 * person wishes. A page in the background cannot, so it is asked for again when the page is back.
 */
export class ScreenLock implements Awake {
  readonly isOffered = "wakeLock" in navigator;
  #isOn = false;
  #isNeeded = false;
  #lock: Promise<WakeLockSentinel> | undefined;

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") {
        this.#lock = undefined;
        this.#apply();
      }
    });
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  set(isOn: boolean) {
    this.#isOn = isOn;
    this.#apply();
  }

  /** `isFetched`: somebody fetches something now. `isPublished`: somebody could. */
  need(isFetched: boolean, isPublished: boolean) {
    const isNeeded = isPublished && (isFetched || this.#isOn);
    if (isNeeded !== this.#isNeeded) {
      this.#isNeeded = isNeeded;
      this.#apply();
    }
  }

  #apply() {
    const isWanted = this.#isNeeded && document.visibilityState === "visible";
    if (isWanted && this.isOffered && this.#lock === undefined) {
      this.#lock = navigator.wakeLock.request("screen");
      this.#lock.catch(() => {
        // A nearly empty battery, for example: the browser decides.
        this.#lock = undefined;
      });
    } else if (!isWanted && this.#lock !== undefined) {
      this.#lock.then((lock) => lock.release()).catch(() => {});
      this.#lock = undefined;
    }
  }
}
