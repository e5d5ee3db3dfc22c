import { describe, expect, it, vi } from "vitest";
import { Ledger } from "../../src/tab/ledger";
import { Serving } from "../../src/tab/serving";
import { Door } from "../../src/tab/site/door";
import type { Headers } from "../../src/tab/site/headers";
import { PickedFiles } from "../../src/tab/site/picked";
import { Site } from "../../src/tab/site/site";
import type { Incoming, Taken } from "../../src/tab/wire/objects";
import type { Session } from "../../src/tab/wire/session";
import { eventually } from "../patience";

const TOKEN = "AAECAwQFBgcICQoLDA0ODw";
const WINDOW = 256 * 1024;

interface Sent {
  readonly "message-id": string;
  readonly seq?: number;
  readonly status?: number;
  readonly headers?: [string, string][];
  readonly body?: string;
  readonly more?: boolean;
  readonly abort?: string;
}

/** A session that writes down what is sent, and takes what the test lets it take. */
class Wire {
  readonly sent: Sent[] = [];
  readonly took = vi.fn();
  reply: Taken = { taken: {}, gone: [] };

  send(_: string, text: string): Promise<Taken> {
    this.sent.push(JSON.parse(text));
    return Promise.resolve(this.reply);
  }

  bytes(): number {
    return this.sent.reduce((sum, { body }) => sum + atob(body ?? "").length, 0);
  }
}

function world(files: [name: string, file: Blob][]) {
  const placed = files.map(([name, blob]) => ({ names: [name], file: new File([blob], name) }));
  const site = new Site(new PickedFiles("T", placed), new Door(TOKEN, "t", false));
  const wire = new Wire();
  let time = 0;
  const ledger = new Ledger(() => time);
  const serving = new Serving(wire as unknown as Session, site, ledger, () => {});
  const pass = (milliseconds: number) => {
    time += milliseconds;
  };
  return { wire, ledger, serving, files: placed, pass };
}

function get(id: string, target: string, headers: Headers = []): Incoming {
  const all: Headers = [
    ["host", "t.localhost"],
    ["authorization", `Bearer ${TOKEN}`],
    ["forwarded", 'for=192.0.2.1;host="t.localhost";proto=http'],
    ["veranda-transaction", `${Number(id) * 100}`],
    ...headers,
  ];
  const rest = { method: "GET", body: new Uint8Array(0), more: false };
  return { kind: "request", id, seq: 0, target, headers: all, ...rest };
}

const large = new Blob([new Uint8Array(1024 * 1024).map((_, at) => at % 251)]);

describe("an answer", () => {
  it("is sent as far as the gateway takes it, and no further is read", async () => {
    const { wire, serving, files } = world([["film.bin", large]]);
    const slice = vi.spyOn(files[0]?.file ?? new File([], ""), "slice");
    serving.take([get("2", "/film.bin")]);
    await eventually(() => expect(wire.bytes()).toBe(WINDOW));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(wire.bytes()).toBe(WINDOW);
    expect(slice.mock.calls.length).toBeLessThanOrEqual(3);

    serving.take([{ kind: "taken", id: "2", seq: 1, taken: 128 * 1024 }]);
    await eventually(() => expect(wire.bytes()).toBe(WINDOW + 128 * 1024));
    // What is said twice or goes back changes nothing.
    serving.take([{ kind: "taken", id: "2", seq: 2, taken: 1 }]);
    for (let taken = WINDOW; taken <= large.size; taken += 128 * 1024) {
      serving.take([{ kind: "taken", id: "2", seq: 3, taken }]);
      await eventually(() =>
        expect(wire.bytes()).toBeGreaterThanOrEqual(Math.min(large.size, taken + 128 * 1024)),
      );
    }
    const whole = wire.sent.map(({ body }) => atob(body ?? "")).join("");
    expect(whole.length).toBe(large.size);
    expect([...whole.slice(500_000, 500_010)].map((l) => l.charCodeAt(0) % 251)).toEqual([
      ...new Uint8Array(await large.slice(500_000, 500_010).arrayBuffer()),
    ]);
    expect(wire.sent.map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(wire.sent.map(({ more }) => more ?? false)).toEqual([...Array(7).fill(true), false]);
  });

  it("ends at once when the visitor leaves", async () => {
    const { wire, serving, ledger } = world([["film.bin", large]]);
    serving.take([get("2", "/film.bin")]);
    await eventually(() => expect(wire.bytes()).toBe(WINDOW));
    expect(ledger.running()).toHaveLength(1);
    serving.take([{ kind: "abort", id: "2", seq: 1 }]);
    await eventually(() => expect(ledger.running()).toHaveLength(0));
    expect(ledger.ended()).toMatchObject([{ state: "cut", name: "film.bin" }]);
    serving.take([{ kind: "taken", id: "2", seq: 2, taken: WINDOW }]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(wire.bytes()).toBe(WINDOW);
  });

  it("ends when the answer to a POST says that it is gone", async () => {
    const { wire, serving, ledger } = world([["film.bin", large]]);
    wire.reply = { taken: {}, gone: ["2"] };
    serving.take([get("2", "/film.bin")]);
    await eventually(() => expect(ledger.ended()).toHaveLength(1));
    expect(wire.sent).toHaveLength(1);
  });

  it("is cut and never silently short when the file can no longer be read", async () => {
    const { wire, serving, files, ledger } = world([["film.bin", large]]);
    const { file } = files[0] ?? { file: new File([], "") };
    const slice = file.slice.bind(file);
    file.slice = (from = 0, to) => {
      return from < 128 * 1024
        ? slice(from, to)
        : ({
            arrayBuffer: () => Promise.reject(new DOMException("changed", "NotReadableError")),
          } as Blob);
    };
    serving.take([get("2", "/film.bin")]);
    await eventually(() =>
      expect(wire.sent.at(-1)).toEqual({ "message-id": "2", abort: "failed" }),
    );
    await eventually(() => expect(ledger.ended()).toMatchObject([{ state: "cut" }]));
  });

  it("says that it does not want the rest of an upload", async () => {
    const { wire, serving } = world([["a.txt", new Blob(["a"])]]);
    const upload = (id: string, more: boolean): Incoming => {
      const request = { method: "POST", body: new Uint8Array(1000), more };
      return { ...get(id, "/a.txt"), ...request } as Incoming;
    };
    serving.take([upload("2", true)]);
    const unwanted = { "message-id": "2", abort: "cancelled" };
    await eventually(() => expect(wire.sent.at(-1)).toEqual(unwanted));
    expect(wire.sent).toMatchObject([{ "message-id": "2", status: 405 }, unwanted]);
    // One that is here as a whole has no rest, and nobody is told twice.
    serving.take([{ kind: "chunk", id: "2", seq: 1, body: new Uint8Array(1000), more: true }]);
    serving.take([upload("4", false)]);
    await eventually(() => expect(wire.sent.at(-1)).toMatchObject({ "message-id": "4" }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(wire.sent.slice(2)).toMatchObject([{ "message-id": "4", status: 405 }]);
  });

  it("does not wait for visitors who stall", async () => {
    const { wire, serving } = world([
      ["film.bin", large],
      ["small.txt", new Blob(["small"])],
    ]);
    serving.take(Array.from({ length: 30 }, (_, at) => get(`${at}`, "/film.bin")));
    await eventually(() => expect(wire.bytes()).toBe(30 * WINDOW));
    serving.take([get("99", "/small.txt")]);
    await eventually(() => {
      expect(wire.sent.at(-1)).toMatchObject({ "message-id": "99", status: 200 });
    });
  });
});

describe("what the gateway itself asks", () => {
  it("is how much visitors took", async () => {
    const { wire, serving, ledger, pass } = world([["film.bin", large]]);
    serving.take([get("2", "/film.bin")]);
    await eventually(() => expect(wire.sent).not.toHaveLength(0));
    expect(wire.sent[0]?.headers).toContainEqual(["Veranda-Receipt", "1"]);
    expect(ledger.visitors).toBe(1);

    const receipt = (delivered: number, state: string): Incoming => {
      const body = { receipts: [{ transaction: 200, delivered, state }], missed: 0 };
      return {
        ...(get("4", "/receipts") as Incoming & { kind: "request" }),
        method: "POST",
        headers: [["host", "veranda.invalid"]],
        body: new TextEncoder().encode(JSON.stringify(body)),
      };
    };
    pass(1000);
    serving.take([receipt(100_000, "running")]);
    await eventually(() =>
      expect(ledger.running()).toMatchObject([{ delivered: 100_000, rate: 100_000 }]),
    );
    expect(wire.sent.at(-1)).toMatchObject({ "message-id": "4", status: 204 });
    // Never more than there is, and never less than before.
    serving.take([receipt(large.size * 2, "running"), receipt(5, "running")]);
    await eventually(() => expect(ledger.running()).toMatchObject([{ delivered: large.size }]));
    serving.take([receipt(large.size, "complete")]);
    await eventually(() => expect(ledger.ended()).toMatchObject([{ state: "complete" }]));
  });

  it("may come in pieces, and may be nonsense", async () => {
    const { wire, serving, ledger } = world([]);
    const begin = get("2", "/receipts") as Incoming & { kind: "request" };
    const headers: Headers = [["host", "veranda.invalid"]];
    const body = new TextEncoder().encode('{"receipts":"no');
    serving.take([{ ...begin, headers, body, more: true }]);
    expect(wire.took).toHaveBeenCalledWith("2", body.length);
    expect(wire.sent).toHaveLength(0);
    serving.take([{ kind: "chunk", id: "2", seq: 1, body, more: false }]);
    await eventually(() => expect(wire.sent).toMatchObject([{ status: 204 }]));
    ledger.receipts('{"receipts":[null,1,{"transaction":"x"}]}');
    serving.take([{ ...begin, id: "4", headers, target: "/other" }]);
    await eventually(() => expect(wire.sent.at(-1)).toMatchObject({ status: 404 }));
  });

  it("is nothing that a visitor can ask", async () => {
    const { wire, serving } = world([]);
    serving.take([get("2", "/receipts", [["host", "veranda.invalid"]])]);
    await eventually(() => expect(wire.sent).toMatchObject([{ status: 404 }]));
    expect(wire.sent[0]?.headers).toContainEqual(["Content-Type", "text/plain; charset=utf-8"]);
  });
});

it("forgets no transfer whose last receipt does not come", async () => {
  const { wire, serving, ledger, pass } = world([["a.txt", new Blob(["a"])]]);
  serving.take([get("2", "/a.txt")]);
  await eventually(() => expect(wire.sent).toHaveLength(1));
  expect(ledger.running()).toHaveLength(1);
  pass(31_000);
  expect(ledger.running()).toHaveLength(0);
  expect(ledger.ended()).toMatchObject([{ state: "cut", delivered: 0 }]);
});
