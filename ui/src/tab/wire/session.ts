import { Refused } from "./gateway";
import {
  BYE,
  type Incoming,
  readPolled,
  readTaken,
  type Taken,
  WireError,
  writeAbort,
  writePoll,
} from "./objects";

/** How long the gateway keeps a poll waiting at most is 25 s; twice that is a lost connection. */
const POLL_TIMEOUT = 50_000;

/** How long polls wait for something at most and at least, in seconds. */
const [LONGEST_WAIT, SHORTEST_WAIT] = [25, 1];

/** How long a POST of answers may take, in milliseconds: 1 MiB over a slow line. */
const POST_TIMEOUT = 120_000;

/** How long the very first request may take. */
const BEGIN_TIMEOUT = 20_000;

/**
 * How many answers are on their way at once. A browser makes six connections to one host; one of
 * them is for the poll, and one stays free for whatever else the page asks.
 */
const MAX_POSTS = 4;

/** The most that is put into one POST, in letters; the gateway takes 2 MiB. */
const MAX_POST = 1024 * 1024;

/** How many objects one poll acknowledges; the next one acknowledges the rest. */
const MAX_ACKNOWLEDGED = 512;

/** How many requests that are over are remembered, in case their last word comes twice. */
const MAX_REMEMBERED = 512;

/** How `fetch` is called; the tests bring their own. */
export type Fetch = (path: string, init: RequestInit) => Promise<Response>;

interface Queued {
  readonly id: string;
  readonly text: string;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: unknown) => void;
}

/** A session of the long poll, from its first request until the gateway knows it no more. */
export class Session {
  readonly #fetch: Fetch;
  readonly #path: string;
  readonly #secret: string;
  readonly #over = new AbortController();

  /** What has to be acknowledged by the next poll that arrives. */
  #acknowledge: string[] = [];
  readonly #bodies = new Map<string, number>();
  /** The largest `seq` that came of each request. */
  readonly #last = new Map<string, number>();

  /** How long polls ask to wait, in seconds. */
  #wait = LONGEST_WAIT;

  #queue: Queued[] = [];
  readonly #underWay = new Set<string>();
  #posts = 0;

  private constructor(fetch: Fetch, path: string, secret: string) {
    this.#fetch = fetch;
    this.#path = path;
    this.#secret = secret;
  }

  /** Begins: shows the proof, and learns at once whether it is good. */
  static async begin(fetch: Fetch, label: string, proof: string): Promise<Session> {
    const path = `/ptth/${label}`;
    const response = await fetch(path, {
      method: "POST",
      headers: { Authorization: `Bearer ${proof}`, Prefer: "ptth-json=2, wait=0" },
      signal: AbortSignal.timeout(BEGIN_TIMEOUT),
    });
    if (!response.ok) {
      throw await Refused.read(response);
    }
    const secret = response.headers.get("ptth-session");
    if (secret === null) {
      throw new WireError("the gateway began no session");
    }
    const session = new Session(fetch, path, secret);
    if (response.status === 200) {
      session.#early.push(...session.#fresh(readPolled(await response.text())));
    }
    return session;
  }

  /** What came with the first answer already. */
  readonly #early: Incoming[] = [];

  /** Ends everything that waits; nothing is told to the gateway. */
  close() {
    this.#over.abort();
    for (const { reject } of this.#queue.splice(0)) {
      reject(new Closed());
    }
  }

  /**
   * Tells the gateway that this peer leaves, and answers these requests no further: their visitors
   * learn at once that they are cut. May be called while the page goes away.
   */
  leave(unanswered: Iterable<string>) {
    const body = `[${[...[...unanswered].map((id) => writeAbort(id)), BYE].join(",")}]`;
    const init = { method: "POST", headers: this.#headers(), body, keepalive: true };
    this.#fetch(this.#path, init).catch(() => {
      // It finds out by itself, only later.
    });
    this.close();
  }

  /** Waits until the gateway has something to say; nothing after some time. */
  async poll(): Promise<Incoming[]> {
    if (this.#early.length > 0) {
      return this.#early.splice(0);
    }
    const said = this.#acknowledge.slice(0, MAX_ACKNOWLEDGED);
    const bodies = new Map(this.#bodies);
    const begun = performance.now();
    let response: Response;
    try {
      response = await this.#post(writePoll(said, bodies), POLL_TIMEOUT, this.#wait);
    } catch (error) {
      this.#hurry((performance.now() - begun) / 1000);
      throw error;
    }
    // They arrived, so they need not be said again.
    this.#acknowledge = this.#acknowledge.slice(said.length);
    for (const [id, taken] of bodies) {
      if (this.#bodies.get(id) === taken) {
        this.#bodies.delete(id);
      }
    }
    if (response.status === 204) {
      return [];
    }
    return this.#fresh(readPolled(await response.text()));
  }

  /** A poll failed after this many seconds: somebody on the way may have less patience than it. */
  #hurry(lasted: number) {
    if (lasted >= SHORTEST_WAIT && lasted <= this.#wait + 1) {
      this.#wait = Math.max(SHORTEST_WAIT, Math.floor(Math.min(lasted, this.#wait) / 2));
    }
  }

  /** Says at the next poll how much of a request's body was taken. */
  took(id: string, bytes: number) {
    this.#bodies.set(id, bytes);
  }

  /**
   * Sends an object of an answer; resolves when the gateway has it. Objects of one request are sent
   * one after the other; those of several share a POST.
   */
  send(id: string, text: string): Promise<Taken> {
    if (this.#over.signal.aborted) {
      return Promise.reject(new Closed());
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ id, text, resolve, reject });
      this.#flush();
    });
  }

  #flush() {
    while (this.#posts < MAX_POSTS) {
      const [batch, rest]: [Queued[], Queued[]] = [[], []];
      let letters = 0;
      for (const queued of this.#queue) {
        const isLate = rest.some(({ id }) => id === queued.id) || this.#underWay.has(queued.id);
        const isFull = batch.length > 0 && letters + queued.text.length > MAX_POST;
        if (isLate || isFull) {
          rest.push(queued);
        } else {
          batch.push(queued);
          letters += queued.text.length;
        }
      }
      if (batch.length === 0) {
        return;
      }
      this.#queue = rest;
      this.#posts += 1;
      this.#deliver(batch).finally(() => {
        this.#posts -= 1;
        this.#flush();
      });
    }
  }

  async #deliver(batch: readonly Queued[]) {
    for (const { id } of batch) {
      this.#underWay.add(id);
    }
    try {
      const texts = batch.map(({ text }) => text);
      const taken = await this.#insist(
        texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(",")}]`,
      );
      for (const { resolve } of batch) {
        resolve(taken);
      }
    } catch (error) {
      for (const { reject } of batch) {
        reject(error);
      }
    } finally {
      for (const { id } of batch) {
        this.#underWay.delete(id);
      }
    }
  }

  /**
   * Sends answers until the gateway has them: what got no answer is sent again as it was, and the
   * gateway sees by `seq` that it came before.
   */
  async #insist(body: string): Promise<Taken> {
    for (let pause = 250; ; pause = Math.min(2 * pause, 8000)) {
      try {
        const response = await this.#post(body, POST_TIMEOUT);
        return readTaken(await response.text());
      } catch (error) {
        const isFinal = error instanceof Refused ? !isPassing(error) : error instanceof WireError;
        if (isFinal || this.#over.signal.aborted) {
          throw error;
        }
      }
      await sleep(pause, this.#over.signal);
    }
  }

  async #post(body: string, timeout: number, wait?: number): Promise<Response> {
    const response = await this.#fetch(this.#path, {
      method: "POST",
      headers: this.#headers(wait),
      body,
      signal: AbortSignal.any([this.#over.signal, AbortSignal.timeout(timeout)]),
    });
    if (!response.ok) {
      throw await Refused.read(response);
    }
    return response;
  }

  #headers(wait?: number) {
    return {
      "Ptth-Session": this.#secret,
      "Content-Type": "application/json",
      Prefer: wait === undefined ? "ptth-json=2" : `ptth-json=2, wait=${wait}`,
    };
  }

  /** Returns what was not here before; acknowledges it all. */
  #fresh(objects: readonly Incoming[]): Incoming[] {
    return objects.filter((object) => {
      if (object.kind === "bye") {
        return true;
      }
      const { id, seq } = object;
      const last = this.#last.get(id) ?? -1;
      this.#acknowledge.push(`${id}#${seq}`);
      if (seq <= last) {
        return false;
      }
      // Who was heard of last is forgotten last.
      this.#last.delete(id);
      this.#last.set(id, seq);
      const [oldest] = this.#last.keys();
      if (this.#last.size > MAX_REMEMBERED && oldest !== undefined) {
        this.#last.delete(oldest);
      }
      return true;
    });
  }
}

/** The session is over on this side. */
export class Closed extends Error {
  constructor() {
    super("the session is over");
  }
}

/** Returns whether a proxy or a busy gateway said no to this POST, and not to what is in it. */
function isPassing({ status }: Refused): boolean {
  return status === 429 || status >= 500;
}

/** Waits, in milliseconds, or until the signal ends it. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}
