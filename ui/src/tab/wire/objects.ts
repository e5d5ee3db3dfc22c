import type { Headers } from "../site/headers";
import { fromBase64, toBase64 } from "./base64";

/** What the gateway says; docs/protocols/poll.md, "Objects of ptth-json=2". */
export type Incoming =
  | {
      readonly kind: "request";
      readonly id: string;
      readonly seq: number;
      readonly method: string;
      readonly target: string;
      readonly headers: Headers;
      readonly body: Uint8Array<ArrayBuffer>;
      readonly more: boolean;
    }
  | {
      readonly kind: "chunk";
      readonly id: string;
      readonly seq: number;
      readonly body: Uint8Array<ArrayBuffer>;
      readonly more: boolean;
    }
  | { readonly kind: "taken"; readonly id: string; readonly seq: number; readonly taken: number }
  | { readonly kind: "abort"; readonly id: string; readonly seq: number }
  | { readonly kind: "bye"; readonly sentence: string };

/** What the gateway says to answers. */
export interface Taken {
  /** How many bytes of each body were taken, counted from its beginning. */
  readonly taken: { readonly [id: string]: number };
  /** Which requests are over. */
  readonly gone: readonly string[];
}

/** What came is not of this wire. */
export class WireError extends Error {}

type Json = { readonly [member: string]: unknown };

/** Reads the answer to a poll. */
export function readPolled(text: string): Incoming[] {
  const list = json(text);
  if (!Array.isArray(list)) {
    throw new WireError("the answer to a poll is no list");
  }
  return list.map((object) => incoming(record(object)));
}

/** Reads the answer to a POST of answers. */
export function readTaken(text: string): Taken {
  const { taken, gone } = record(json(text));
  const counts = Object.entries(taken === undefined ? {} : record(taken));
  if (gone !== undefined && !Array.isArray(gone)) {
    throw new WireError("gone is no list");
  }
  return {
    taken: Object.fromEntries(counts.map(([id, count]) => [id, number(count)])),
    gone: (gone ?? []).map(string),
  };
}

function incoming(object: Json): Incoming {
  if (object.bye !== undefined) {
    return { kind: "bye", sentence: string(object.bye) };
  }
  const [id, seq] = [string(object["message-id"]), number(object.seq)];
  if (object.abort !== undefined) {
    return { kind: "abort", id, seq };
  }
  if (object.taken !== undefined) {
    return { kind: "taken", id, seq, taken: number(object.taken) };
  }
  const [body, more] = [bytes(object), object.more === true];
  if (object.method === undefined) {
    return { kind: "chunk", id, seq, body, more };
  }
  const [method, target] = [string(object.method), string(object["request-uri"])];
  return { kind: "request", id, seq, method, target, headers: pairs(object.headers), body, more };
}

function pairs(list: unknown): Headers {
  if (!Array.isArray(list)) {
    throw new WireError("headers are no list");
  }
  return list.map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new WireError("a header is no pair");
    }
    return [string(pair[0]), string(pair[1])] as const;
  });
}

function bytes(object: Json): Uint8Array<ArrayBuffer> {
  const text = object.body === undefined ? "" : string(object.body);
  switch (object["body-encoding"]) {
    case undefined:
      return new TextEncoder().encode(text);
    case "base64":
      try {
        return fromBase64(text);
      } catch {
        throw new WireError("a body is no base64");
      }
    default:
      throw new WireError("a body has an unknown encoding");
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new WireError("this is no JSON");
  }
}

function record(value: unknown): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new WireError("this is no object");
  }
  return value as Json;
}

function string(value: unknown): string {
  if (typeof value !== "string") {
    throw new WireError("this is no text");
  }
  return value;
}

function number(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new WireError("this is no count");
  }
  return value;
}

/** The head of an answer, as it goes on the wire. */
export interface Head {
  readonly status: number;
  readonly headers: Headers;
}

/** Writes the head of an answer with the beginning of its body. */
export function writeHead(id: string, head: Head, body: Uint8Array, more: boolean): string {
  const { status, headers } = head;
  const start = JSON.stringify({
    "message-id": id,
    seq: 0,
    "http-version": "HTTP/1.1",
    status,
    reason: REASONS[status] ?? "",
    headers,
  });
  return withBody(start, body, more);
}

/** Writes the next chunk of a body; `seq` is 1 for the first. */
export function writeChunk(id: string, seq: number, body: Uint8Array, more: boolean): string {
  return withBody(JSON.stringify({ "message-id": id, seq }), body, more);
}

/**
 * Says that an answer ends before its time; or, after a complete one, that the rest of its request is not
 * wanted (`cancelled`).
 */
export function writeAbort(id: string, abort: "failed" | "cancelled" = "failed"): string {
  return JSON.stringify({ "message-id": id, abort });
}

/** Writes the body of a poll. */
export function writePoll(
  acknowledged: readonly string[],
  taken: ReadonlyMap<string, number>,
): string {
  if (acknowledged.length === 0 && taken.size === 0) {
    return "";
  }
  return JSON.stringify({
    ...(acknowledged.length > 0 && { ack: acknowledged }),
    ...(taken.size > 0 && { taken: Object.fromEntries(taken) }),
  });
}

/** Says that this peer leaves. */
export const BYE = JSON.stringify({ bye: "" });

/** Puts a body into an object. By hand, for nothing in base64 needs escapes. */
function withBody(object: string, body: Uint8Array, more: boolean): string {
  const tail = more ? ',"more":true}' : "}";
  if (body.length === 0) {
    return object.slice(0, -1) + tail;
  }
  return `${object.slice(0, -1)},"body":"${toBase64(body)}","body-encoding":"base64"${tail}`;
}

/** Reason phrases of what a site answers (RFC 9110, section 15). */
const REASONS: { readonly [status: number]: string } = {
  200: "OK",
  204: "No Content",
  206: "Partial Content",
  303: "See Other",
  304: "Not Modified",
  308: "Permanent Redirect",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  412: "Precondition Failed",
  413: "Content Too Large",
  416: "Range Not Satisfiable",
  503: "Service Unavailable",
};
