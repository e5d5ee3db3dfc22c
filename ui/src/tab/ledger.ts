/** A file (or a part of one) on its way to a visitor. Bytes throughout. */
export interface Transfer {
  readonly id: number;
  /** The path of the file, for people. */
  readonly name: string;
  readonly size: number;
  /** What the visitor's connection took, as the gateway says. */
  readonly delivered: number;
  /** Bytes a second, over the last seconds. */
  readonly rate: number;
  readonly state: "running" | "complete" | "cut";
}

/** How many transfers that are over are shown. */
const MAX_ENDED = 20;

/** Over how long the rate is measured, in milliseconds. */
const RATE_SPAN = 4000;

/** How long the last receipt may take once everything was sent, in milliseconds. */
const LAST_RECEIPT = 30_000;

interface Sample {
  readonly at: number;
  readonly delivered: number;
}

/** A transfer that is under way, for who sends it. */
export interface Entry {
  /** Everything was given to the gateway; the visitor takes it in its own time. */
  allSent(): void;
  /** It ends here: the visitor left, the file cannot be read any more, the connection is lost. */
  cut(): void;
}

class Running implements Entry {
  readonly id: number;
  readonly transaction: number | undefined;
  readonly name: string;
  readonly size: number;
  readonly #ended: (running: Running, state: "complete" | "cut") => void;
  readonly #now: () => number;
  #samples: Sample[];
  #sentAt: number | undefined;
  delivered = 0;

  constructor(
    id: number,
    transaction: number | undefined,
    name: string,
    size: number,
    now: () => number,
    ended: (running: Running, state: "complete" | "cut") => void,
  ) {
    this.id = id;
    this.transaction = transaction;
    this.name = name;
    this.size = size;
    this.#now = now;
    this.#ended = ended;
    this.#samples = [{ at: now(), delivered: 0 }];
  }

  took(delivered: number) {
    this.delivered = Math.max(this.delivered, Math.min(delivered, this.size));
  }

  /** Bytes a second between the oldest sample within the span and now. */
  rate(): number {
    const at = this.#now();
    this.#samples.push({ at, delivered: this.delivered });
    while (this.#samples.length > 2 && at - (this.#samples[1]?.at ?? at) > RATE_SPAN) {
      this.#samples.shift();
    }
    const first = this.#samples[0];
    const span = at - (first?.at ?? at);
    return span < 500 ? 0 : ((this.delivered - (first?.delivered ?? 0)) * 1000) / span;
  }

  allSent() {
    this.#sentAt ??= this.#now();
  }

  /** Returns whether its last receipt does not come any more. */
  isForgotten(): boolean {
    return this.#sentAt !== undefined && this.#now() - this.#sentAt > LAST_RECEIPT;
  }

  cut() {
    this.#ended(this, "cut");
  }
}

/** The book of transfers and visitors. */
export class Ledger {
  readonly #now: () => number;
  #running: Running[] = [];
  #ended: Transfer[] = [];
  readonly #visitors = new Set<string>();
  #next = 1;

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Notes that somebody was let in. */
  visit(visitor: string) {
    // More than this is a crowd, and the number need not be exact.
    if (this.#visitors.size < 10_000) {
      this.#visitors.add(visitor);
    }
  }

  get visitors(): number {
    return this.#visitors.size;
  }

  begin(name: string, size: number, transaction: number | undefined): Entry {
    const running = new Running(this.#next, transaction, name, size, this.#now, (it, state) => {
      this.#end(it, state);
    });
    this.#next += 1;
    this.#running.push(running);
    return running;
  }

  /** Takes what the gateway says about what visitors took; other things are ignored. */
  receipts(json: string) {
    const { receipts } = Object(parsed(json)) as { receipts?: unknown };
    for (const receipt of Array.isArray(receipts) ? receipts : []) {
      const { transaction, delivered, state } = Object(receipt) as { [member: string]: unknown };
      const running = this.#running.find((it) => it.transaction === transaction);
      if (running === undefined || typeof delivered !== "number") {
        continue;
      }
      running.took(delivered);
      if (state === "complete" || state === "cut") {
        this.#end(running, state);
      }
    }
  }

  /** The connection is lost, and with it everything under way. */
  cutAll() {
    for (const running of [...this.#running]) {
      running.cut();
    }
  }

  /** Returns what is under way, oldest first. */
  running(): Transfer[] {
    for (const forgotten of this.#running.filter((it) => it.isForgotten())) {
      this.#end(forgotten, forgotten.delivered === forgotten.size ? "complete" : "cut");
    }
    return this.#running.map((it) => ({ ...shown(it, "running"), rate: it.rate() }));
  }

  /** Returns what is over, newest first. */
  ended(): readonly Transfer[] {
    return this.#ended;
  }

  #end(running: Running, state: "complete" | "cut") {
    if (this.#running.includes(running)) {
      this.#running = this.#running.filter((it) => it !== running);
      this.#ended = [shown(running, state), ...this.#ended].slice(0, MAX_ENDED);
    }
  }
}

function shown({ id, name, size, delivered }: Running, state: Transfer["state"]): Transfer {
  return { id, name, size, delivered, rate: 0, state };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
