import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Publication } from "../../src/tab/publication";
import { PickedFiles } from "../../src/tab/site/picked";
import { eventually } from "../patience";

/** Answers polls as the test says; everything else as a gateway does. */
let polled: () => Promise<Response>;
let begun = 0;
let publication: Publication;

beforeEach(() => {
  begun = 0;
  vi.spyOn(navigator, "locks", "get").mockReturnValue(undefined as unknown as LockManager);
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    if (path === "/veranda/gateway") {
      const info = { origin: "https://gateway.example", sites: "https://*.gateway.example" };
      return new Response(JSON.stringify(info));
    }
    if (init.method === "DELETE") {
      return new Response(null, { status: 204 });
    }
    if (new Headers(init.headers).has("authorization")) {
      begun += 1;
      return new Response(null, { status: 204, headers: { "Ptth-Session": `secret-${begun}` } });
    }
    return polled();
  });
  publication = new Publication(() => {});
});

afterEach(async () => {
  await publication.end();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const folder = new PickedFiles("Photos", [{ names: ["a.txt"], file: new File(["a"], "a.txt") }]);

const never = () => new Promise<Response>(() => {});

describe("a publication", () => {
  it("leaves a gateway in peace that forgets each session at once", async () => {
    polled = async () => new Response("{}", { status: 410 });
    publication.start(folder);
    await eventually(() => expect(publication.phase.kind).toBe("away"));
    expect(begun).toBe(1);
  });

  it("leaves a gateway in peace that says goodbye to each session at once", async () => {
    polled = async () => new Response('[{"bye":"not now"}]');
    publication.start(folder);
    await eventually(() => expect(publication.phase.kind).toBe("away"));
    expect(begun).toBe(1);
  });

  it("goes on in its session when a proxy has less patience than a poll", async () => {
    let polls = 0;
    polled = () => {
      polls += 1;
      return polls === 1 ? Promise.resolve(new Response("", { status: 504 })) : never();
    };
    publication.start(folder);
    await eventually(() => expect(polls).toBe(2));
    expect(begun).toBe(1);
  });
});
