import { describe, expect, it, vi } from "vitest";
import { newLabel, slug } from "../../src/tab/label";
import { fromBase64, toBase64, toBase64Url } from "../../src/tab/wire/base64";
import {
  readPolled,
  readTaken,
  WireError,
  writeAbort,
  writeChunk,
  writeHead,
  writePoll,
} from "../../src/tab/wire/objects";
import { generateKeys, hasEd25519, prove, randomToken } from "../../src/tab/wire/proof";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("the objects of docs/protocols/poll.md", () => {
  it("are read", () => {
    const text = `[
      {"message-id":"2","seq":0,"method":"POST","request-uri":"/a?b","http-version":"HTTP/1.1",
       "headers":[["host","..."]],"body":"aGk=","body-encoding":"base64","more":true,"new":1},
      {"message-id":"2","seq":1,"body":"grüße"},
      {"message-id":"2","seq":2,"taken":131072},
      {"message-id":"2","seq":3,"abort":"cancelled"},
      {"bye":"the gateway stops"}]`;
    expect(readPolled(text)).toEqual([
      {
        kind: "request",
        id: "2",
        seq: 0,
        method: "POST",
        target: "/a?b",
        headers: [["host", "..."]],
        body: bytes("hi"),
        more: true,
      },
      { kind: "chunk", id: "2", seq: 1, body: bytes("grüße"), more: false },
      { kind: "taken", id: "2", seq: 2, taken: 131072 },
      { kind: "abort", id: "2", seq: 3 },
      { kind: "bye", sentence: "the gateway stops" },
    ]);
    expect(readTaken('{"taken":{"2":131072},"gone":["4"]}')).toEqual({
      taken: { 2: 131072 },
      gone: ["4"],
    });
    expect(readTaken("{}")).toEqual({ taken: {}, gone: [] });
  });

  it.each([
    "",
    "{}",
    "[1]",
    "[{}]",
    `[{"message-id":"2","method":"GET"}]`,
    `[{"message-id":2,"seq":0,"taken":1}]`,
    `[{"message-id":"2","seq":-1,"taken":1}]`,
    `[{"message-id":"2","seq":0,"taken":"1"}]`,
    `[{"message-id":"2","seq":0,"body":"*","body-encoding":"base64"}]`,
    `[{"message-id":"2","seq":0,"body":"","body-encoding":"gzip"}]`,
    `[{"message-id":"2","seq":0,"method":"GET","request-uri":"/","headers":{}}]`,
    `[{"message-id":"2","seq":0,"method":"GET","request-uri":"/","headers":[["a"]]}]`,
    "[{'message-id':'2'}]",
  ])("are refused when they are none: %s", (text) => {
    expect(() => readPolled(text)).toThrow(WireError);
  });

  it("are written", () => {
    const headers: [string, string][] = [["Content-Type", 'a"b']];
    expect(JSON.parse(writeHead("2", { status: 206, headers }, bytes("hi"), true))).toEqual({
      "message-id": "2",
      seq: 0,
      "http-version": "HTTP/1.1",
      status: 206,
      reason: "Partial Content",
      headers,
      body: "aGk=",
      "body-encoding": "base64",
      more: true,
    });
    expect(writeChunk('a"', 3, bytes(""), false)).toBe('{"message-id":"a\\"","seq":3}');
    expect(writeAbort("2")).toBe('{"message-id":"2","abort":"failed"}');
    expect(writeAbort("2", "cancelled")).toBe('{"message-id":"2","abort":"cancelled"}');
    expect(writePoll([], new Map())).toBe("");
    expect(writePoll(["2#0"], new Map([["2", 5]]))).toBe('{"ack":["2#0"],"taken":{"2":5}}');
  });
});

it("writes base64 as every browser does", () => {
  const all = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 7) % 256);
  expect(toBase64(all)).toBe(Buffer.from(all).toString("base64"));
  expect(fromBase64(toBase64(all))).toEqual(all);
  expect(toBase64Url(all)).toBe(Buffer.from(all).toString("base64url"));
});

describe("a proof", () => {
  it("is what crosstalk::proof reads, signed by the key that it names", async () => {
    const keys = await generateKeys();
    const proof = await prove(keys, "https://gateway.example", 1_800_000_000_500);
    const [head = "", claims = "", signature = ""] = proof.split(".");
    const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
    expect(read(head)).toEqual({ alg: "EdDSA", typ: "JWT" });
    const { iss, jti, ...rest } = read(claims);
    expect(rest).toEqual({
      aud: "https://gateway.example",
      iat: 1_800_000_000,
      exp: 1_800_000_060,
    });
    expect(jti).toMatch(/^[\w-]{22}$/);
    const key = Buffer.from(iss, "base64url");
    expect(key).toHaveLength(32);
    const whose = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    const signed = bytes(`${head}.${claims}`);
    expect(
      await crypto.subtle.verify("Ed25519", whose, Buffer.from(signature, "base64url"), signed),
    ).toBe(true);
    expect(proof.length).toBeLessThan(1024);
  });

  it("is made by a key that nobody can read", async () => {
    const { privateKey } = await generateKeys();
    expect(privateKey.extractable).toBe(false);
    await expect(crypto.subtle.exportKey("pkcs8", privateKey)).rejects.toThrow();
    expect(randomToken()).toMatch(/^[\w-]{21}[AQgw]$/);
  });

  it("needs a browser that can", async () => {
    expect(await hasEd25519()).toBe(true);
    vi.spyOn(crypto.subtle, "generateKey").mockRejectedValue(
      new DOMException("no", "NotSupportedError"),
    );
    expect(await hasEd25519()).toBe(false);
  });
});

// The table of crates/peer/src/naming.rs.
it.each([
  ["Photos", "photos"],
  ["Ferien 2026 – Süßes & Saures", "ferien-2026-suesses-saur"],
  ["crème brûlée", "creme-brulee"],
  ["  --a__b--  ", "a-b"],
  ["写真", "folder"],
  ["写真 2026", "2026"],
  ["", "folder"],
  ["aaaaaaaaaaaaaaaaaaaaaaa bbb", "aaaaaaaaaaaaaaaaaaaaaaa"],
])("%j becomes the label %s", (title, expected) => {
  expect(slug(title)).toBe(expected);
  expect(newLabel(title)).toMatch(new RegExp(`^${expected}-[2-9b-z]{5}$`));
  expect(newLabel(title).length).toBeLessThanOrEqual(30);
});
