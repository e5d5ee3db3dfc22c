import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Refused } from "../../src/tab/wire/gateway";
import { type Fetch, Session } from "../../src/tab/wire/session";
import { eventually } from "../patience";

/** What was asked of a gateway that answers as the test says. */
interface Asked {
  readonly path: string;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
}

type Answer = Response | Error | Promise<Response>;

class Gateway {
  readonly asked: Asked[] = [];
  readonly answers: Answer[] = [];
  readonly fetch: Fetch = async (path, init) => {
    this.asked.push({
      path,
      headers: init.headers as { [name: string]: string },
      body: String(init.body ?? ""),
    });
    const answer = this.answers.shift() ?? new Error("the test has no answer left");
    if (answer instanceof Error) {
      throw answer;
    }
    return answer;
  };

  async begin(): Promise<Session> {
    this.answers.unshift(nothing({ "Ptth-Session": "secret" }));
    return Session.begin(this.fetch, "photos", "proof");
  }
}

function nothing(headers: { [name: string]: string } = {}) {
  return new Response(null, { status: 204, headers });
}

function some(value: unknown) {
  return new Response(JSON.stringify(value), { status: 200 });
}

function head(id: string) {
  const more = { method: "GET", "request-uri": "/", headers: [] };
  return { "message-id": id, seq: 0, ...more };
}

const OFFLINE = new TypeError("Failed to fetch");

let gateway: Gateway;
beforeEach(() => {
  gateway = new Gateway();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a session", () => {
  it("begins with the proof and goes on with its secret", async () => {
    const session = await gateway.begin();
    gateway.answers.push(nothing());
    expect(await session.poll()).toEqual([]);
    const [first, second] = gateway.asked;
    expect(first?.path).toBe("/ptth/photos");
    expect(first?.headers).toEqual({
      Authorization: "Bearer proof",
      Prefer: "ptth-json=2, wait=0",
    });
    expect(second?.headers["Ptth-Session"]).toBe("secret");
    expect(second?.headers.Authorization).toBeUndefined();
  });

  it("passes on why it is refused, whatever stands in between", async () => {
    const json = JSON.stringify({ reason: "taken", sentence: "It is somebody else's." });
    gateway.answers.push(new Response(json, { status: 409, headers: { "Retry-After": "3" } }));
    const refused = Session.begin(gateway.fetch, "photos", "proof");
    await expect(refused).rejects.toMatchObject({
      status: 409,
      reason: "taken",
      sentence: "It is somebody else's.",
      retryAfter: 3000,
    });
    gateway.answers.push(new Response("<h1>Bad gateway", { status: 502 }));
    await expect(Session.begin(gateway.fetch, "photos", "proof")).rejects.toMatchObject({
      status: 502,
      isWorthRetrying: true,
    });
    // A month: a timer that long would end at once.
    const month = { "Retry-After": String(31 * 24 * 60 * 60) };
    gateway.answers.push(new Response("", { status: 503, headers: month }));
    await expect(Session.begin(gateway.fetch, "photos", "proof")).rejects.toMatchObject({
      retryAfter: 300_000,
    });
  });

  it("asks for shorter waits when polls are cut on the way", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    const session = await gateway.begin();
    const cut = (seconds: number) => {
      vi.advanceTimersByTime(seconds * 1000);
      throw OFFLINE;
    };
    for (const lasted of [0, 20, 4, 1, 1]) {
      gateway.answers.push(Promise.resolve().then(() => cut(lasted)));
      await expect(session.poll()).rejects.toBe(OFFLINE);
    }
    const waits = gateway.asked.slice(1).map(({ headers }) => headers.Prefer);
    expect(waits).toEqual([25, 25, 10, 2, 1].map((wait) => `ptth-json=2, wait=${wait}`));
  });

  it("acknowledges what came once it is sure that the gateway heard it", async () => {
    const session = await gateway.begin();
    gateway.answers.push(some([head("2"), head("4")]), OFFLINE, some([head("6")]), nothing());
    expect(await session.poll()).toHaveLength(2);
    await expect(session.poll()).rejects.toBe(OFFLINE);
    await session.poll();
    await session.poll();
    expect(gateway.asked.slice(1).map(({ body }) => body)).toEqual([
      "",
      '{"ack":["2#0","4#0"]}',
      '{"ack":["2#0","4#0"]}',
      '{"ack":["6#0"]}',
    ]);
  });

  it("takes nothing twice", async () => {
    const session = await gateway.begin();
    const taken = (seq: number) => ({ "message-id": "2", seq, taken: seq });
    gateway.answers.push(some([head("2")]), some([head("2"), taken(1), taken(4)]), nothing());
    expect((await session.poll()).map(({ kind }) => kind)).toEqual(["request"]);
    // Numbers only grow; one may be missing.
    expect(await session.poll()).toMatchObject([{ taken: 1 }, { taken: 4 }]);
    await session.poll();
    expect(gateway.asked.at(-1)?.body).toBe('{"ack":["2#0","2#1","2#4"]}');
  });

  it("says how much of a request's body it took", async () => {
    const session = await gateway.begin();
    session.took("2", 5);
    session.took("2", 7);
    gateway.answers.push(nothing(), nothing());
    await session.poll();
    await session.poll();
    expect(gateway.asked.slice(1).map(({ body }) => body)).toEqual(['{"taken":{"2":7}}', ""]);
  });

  it("sends an answer again as it was until the gateway has it", async () => {
    vi.useFakeTimers();
    const session = await gateway.begin();
    gateway.answers.push(OFFLINE, new Response("", { status: 503 }), some({ taken: { 2: 3 } }));
    const sent = session.send("2", "{one}");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await sent).toEqual({ taken: { 2: 3 }, gone: [] });
    expect(gateway.asked.slice(1).map(({ body }) => body)).toEqual(["{one}", "{one}", "{one}"]);
  });

  it("gives up what the gateway will never take", async () => {
    const session = await gateway.begin();
    gateway.answers.push(new Response("{}", { status: 410 }));
    await expect(session.send("2", "{}")).rejects.toBeInstanceOf(Refused);
    session.close();
    await expect(session.send("2", "{}")).rejects.toThrow("the session is over");
  });

  it("keeps the order of one answer, and never makes more requests than a browser can", async () => {
    const session = await gateway.begin();
    const pending: ((response: Response) => void)[] = [];
    for (let count = 0; count < 9; count += 1) {
      gateway.answers.push(new Promise((resolve) => pending.push(resolve)));
    }
    const sent = ["a", "a", "b", "c", "d", "e", "f"].map((id, at) =>
      session.send(id, `{${id}${at}}`),
    );
    // The browser has six connections for us: four of them, and one for the poll.
    expect(gateway.asked.slice(1).map(({ body }) => body)).toEqual([
      "{a0}",
      "{b2}",
      "{c3}",
      "{d4}",
    ]);
    pending[1]?.(some({}));
    await sent[2];
    await eventually(() => expect(gateway.asked).toHaveLength(6));
    // What waited goes together; the second of `a` waits for the first.
    expect(gateway.asked[5]?.body).toBe("[{e5},{f6}]");
    pending[0]?.(some({}));
    await sent[0];
    await eventually(() => expect(gateway.asked[6]?.body).toBe("{a1}"));
  });

  it("says goodbye so that it arrives although the page is gone", async () => {
    const init = vi.fn<Fetch>(() => Promise.resolve(nothing({ "Ptth-Session": "s" })));
    const session = await Session.begin(init, "photos", "proof");
    session.leave(["2"]);
    expect(init).toHaveBeenLastCalledWith(
      "/ptth/photos",
      expect.objectContaining({
        body: '[{"message-id":"2","abort":"failed"},{"bye":""}]',
        keepalive: true,
      }),
    );
  });
});
