import type { Entry, Ledger } from "./ledger";
import { read } from "./site/folder";
import { type Headers, only, values } from "./site/headers";
import { type Answer, type Body, PIECE, type Request, type Site } from "./site/site";
import { type Incoming, type Taken, writeAbort, writeChunk, writeHead } from "./wire/objects";
import type { Session } from "./wire/session";

/** How many bytes of one body may be under way that the gateway has not taken. */
const WINDOW = 256 * 1024;

/** The authority of what the gateway itself asks; no visitor can name it. */
const CONTROL = "veranda.invalid";

/** The longest batch of receipts, in bytes. */
const MAX_RECEIPTS = 1024 * 1024;

/** A request that is being answered. */
interface Running {
  /** How much of the answer's body the gateway took. */
  taken: number;
  isGone: boolean;
  /** Wakes who waits for room. */
  wake: () => void;
  /** What came of the request's body, while somebody wants it. */
  collected: Uint8Array<ArrayBuffer>[] | undefined;
  arrived: number;
  /** Whether all of the request's body came. */
  isWhole: boolean;
  bodyEnd: () => void;
}

/** Answers what comes by a session. */
export class Serving {
  readonly #session: Session;
  readonly #site: Site;
  readonly #ledger: Ledger;
  readonly #changed: () => void;
  readonly #running = new Map<string, Running>();

  /** `changed` is called when there is something new to show. */
  constructor(session: Session, site: Site, ledger: Ledger, changed: () => void) {
    this.#session = session;
    this.#site = site;
    this.#ledger = ledger;
    this.#changed = changed;
  }

  /** Takes what the gateway said. Returns whether it says that the session ends. */
  take(objects: readonly Incoming[]): boolean {
    let isOver = false;
    for (const object of objects) {
      switch (object.kind) {
        case "request":
          this.#begin(object);
          break;
        case "chunk":
          this.#arrive(object.id, object.body, object.more);
          break;
        case "taken":
          this.#took({ taken: { [object.id]: object.taken }, gone: [] });
          break;
        case "abort":
          this.#took({ taken: {}, gone: [object.id] });
          break;
        case "bye":
          isOver = true;
          break;
      }
    }
    return isOver;
  }

  /** Ends everything at once: nobody answers any more. May be called while the page goes away. */
  leave() {
    this.#session.leave(this.#running.keys());
  }

  #begin(request: Incoming & { kind: "request" }) {
    const { id, body, more } = request;
    let bodyEnd = () => {};
    const whole = new Promise<void>((resolve) => {
      bodyEnd = resolve;
    });
    const isControl = host(request.headers) === CONTROL;
    const running: Running = {
      taken: 0,
      isGone: false,
      wake: () => {},
      collected: isControl ? [] : undefined,
      arrived: 0,
      isWhole: false,
      bodyEnd,
    };
    this.#running.set(id, running);
    this.#arrive(id, body, more);
    const answered = isControl
      ? this.#control(id, request, running, whole)
      : this.#visit(id, request, running);
    answered
      .catch(() => {
        // The session is lost, and who holds it finds out as well.
      })
      .finally(() => {
        this.#running.delete(id);
        this.#changed();
      });
  }

  #arrive(id: string, body: Uint8Array<ArrayBuffer>, more: boolean) {
    const running = this.#running.get(id);
    if (running === undefined) {
      return;
    }
    running.arrived += body.length;
    if (running.arrived > MAX_RECEIPTS) {
      running.collected = undefined;
    }
    running.collected?.push(body);
    if (more && body.length > 0) {
      this.#session.took(id, running.arrived);
    }
    if (!more) {
      running.isWhole = true;
      running.bodyEnd();
    }
  }

  #took({ taken, gone }: Taken) {
    for (const [id, bytes] of Object.entries(taken)) {
      const running = this.#running.get(id);
      if (running !== undefined && bytes > running.taken) {
        running.taken = bytes;
        running.wake();
      }
    }
    for (const id of gone) {
      const running = this.#running.get(id);
      if (running !== undefined) {
        running.isGone = true;
        running.wake();
        running.bodyEnd();
      }
    }
  }

  /** Answers the gateway's own request: what visitors took. */
  async #control(id: string, request: Request, running: Running, whole: Promise<void>) {
    await whole;
    let status = 404;
    if (request.target === "/receipts") {
      status = running.collected === undefined ? 413 : 204;
      this.#ledger.receipts(await new Blob(running.collected ?? []).text());
    }
    this.#changed();
    await this.#session.send(id, writeHead(id, { status, headers: [] }, new Uint8Array(0), false));
  }

  async #visit(id: string, request: Request, running: Running) {
    const answer = await this.#site.answer(request);
    const { status, body } = answer;
    if (status === 200 || status === 206 || status === 304) {
      this.#ledger.visit(visitor(request.headers));
    }
    let transfer: Entry | undefined;
    if (!(body instanceof Uint8Array) && !running.isGone) {
      const number = Number(only(request.headers, "veranda-transaction") ?? Number.NaN);
      const isKnown = Number.isSafeInteger(number);
      if (isKnown) {
        answer.headers.push(["Veranda-Receipt", "1"]);
      }
      transfer = this.#ledger.begin(body.name, body.length, isKnown ? number : undefined);
    }
    this.#changed();
    try {
      await this.#send(id, answer, running);
      transfer?.allSent();
    } catch (error) {
      transfer?.cut();
      throw error;
    }
    if (running.isGone) {
      transfer?.cut();
    } else if (!running.isWhole) {
      // Nobody reads the rest. Unless it hears so, the gateway keeps its visitor waiting to send it.
      await this.#session.send(id, writeAbort(id, "cancelled"));
    }
  }

  /** Sends an answer as the gateway takes it, reading one piece ahead. */
  async #send(id: string, { status, headers, body }: Answer, running: Running) {
    const length = body.length;
    let sent = 0;
    let seq = 0;
    let next = piece(body, 0);
    do {
      let bytes: Uint8Array<ArrayBuffer>;
      try {
        bytes = await next;
      } catch (error) {
        // Never silently short: the visitor sees that it was cut.
        await this.#session.send(id, writeAbort(id));
        throw error;
      }
      while (!running.isGone && sent + bytes.length - running.taken > WINDOW) {
        await new Promise<void>((resolve) => {
          running.wake = resolve;
        });
      }
      if (running.isGone) {
        return;
      }
      const end = sent + bytes.length;
      const more = end < length;
      const text =
        seq === 0
          ? writeHead(id, { status, headers }, bytes, more)
          : writeChunk(id, seq, bytes, more);
      const posted = this.#session.send(id, text);
      if (more) {
        next = piece(body, end);
        // Whether it fails is looked at above; until then nobody listens.
        next.catch(() => {});
      }
      this.#took(await posted);
      sent = end;
      seq += 1;
    } while (sent < length && !running.isGone);
  }
}

/** Returns the bytes of a body from here on, as many as are sent at once. */
async function piece(body: Body, from: number): Promise<Uint8Array<ArrayBuffer>> {
  if (body instanceof Uint8Array) {
    return body.subarray(from, from + PIECE);
  }
  if (from < body.first.length) {
    return body.first.subarray(from);
  }
  return read(body.file, body.offset + from, Math.min(PIECE, body.length - from));
}

function host(headers: Headers): string {
  return (only(headers, "host") ?? "").toLowerCase();
}

/** Returns who a visitor is to the gateway; it is only counted. */
function visitor(headers: Headers): string {
  return /for="?([^;,"]+)/i.exec(values(headers, "forwarded").at(-1) ?? "")?.[1] ?? "";
}
