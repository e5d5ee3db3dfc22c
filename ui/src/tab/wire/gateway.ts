/** What the gateway says of itself at `/veranda/gateway`. */
export interface GatewayInfo {
  /** The audience of proofs. */
  readonly origin: string;
  /** The origin of a site with `*` for its label. */
  readonly sites: string;
  /** How far its clock is ahead of ours, in milliseconds: proofs are judged by its clock. */
  readonly ahead: number;
}

/**
 * The longest wait that a gateway can ask for, in milliseconds, as in the app. A timer of 25 days and
 * more would end at once.
 */
const LONGEST_RETRY_AFTER = 5 * 60_000;

/** The gateway said no. */
export class Refused extends Error {
  readonly status: number;
  readonly reason: string;
  /** What it wants a person to read. */
  readonly sentence: string;
  /** When to come back, in milliseconds, if it said. */
  readonly retryAfter: number | undefined;

  constructor(status: number, reason: string, sentence: string, retryAfter?: number) {
    super(`refused: ${status} ${reason}`);
    this.status = status;
    this.reason = reason;
    this.sentence = sentence;
    this.retryAfter = retryAfter;
  }

  /** Reads a refusal. A proxy in front may have answered with something else. */
  static async read(response: Response): Promise<Refused> {
    let body: { reason?: unknown; sentence?: unknown } = {};
    try {
      body = Object(await response.json());
    } catch {
      // No JSON: the status is all there is.
    }
    const text = (value: unknown) => (typeof value === "string" ? value.slice(0, 300) : "");
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    const retryAfter = seconds >= 0 ? Math.min(seconds * 1000, LONGEST_RETRY_AFTER) : undefined;
    return new Refused(response.status, text(body.reason), text(body.sentence), retryAfter);
  }

  /** Returns whether the same may be granted later without anybody doing anything. */
  get isWorthRetrying(): boolean {
    return this.status === 410 || this.status === 429 || this.status >= 500;
  }
}

/** How long a short request may take, in milliseconds. */
const TIMEOUT = 20_000;

/** Asks the gateway who it is. */
export async function askGateway(): Promise<GatewayInfo> {
  const response = await fetch("/veranda/gateway", { signal: AbortSignal.timeout(TIMEOUT) });
  if (!response.ok) {
    throw await Refused.read(response);
  }
  const { origin, sites } = Object(await response.json()) as { [member: string]: unknown };
  if (typeof origin !== "string" || typeof sites !== "string" || !sites.includes("*")) {
    throw new Refused(response.status, "unknown", "");
  }
  const date = Date.parse(response.headers.get("date") ?? "");
  return { origin, sites, ahead: Number.isNaN(date) ? 0 : date - Date.now() };
}

/**
 * Gives a name back, so that nobody has it for ever who closed the tab long ago. Needs a proof of its
 * own. May be called while the page goes away.
 */
export function releaseName(label: string, proof: string) {
  const headers = { Authorization: `Bearer ${proof}` };
  fetch(`/veranda/names/${label}`, { method: "DELETE", headers, keepalive: true }).catch(() => {
    // The gateway cannot be reached: the name stays that of a key that is gone.
  });
}
