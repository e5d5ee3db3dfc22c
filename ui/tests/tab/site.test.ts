import { describe, expect, it } from "vitest";
import { Door } from "../../src/tab/site/door";
import type { Folder } from "../../src/tab/site/folder";
import { Unreadable } from "../../src/tab/site/folder";
import { only } from "../../src/tab/site/headers";
import { attachment, contentType } from "../../src/tab/site/media";
import { PickedFiles } from "../../src/tab/site/picked";
import { fromInput } from "../../src/tab/site/picking";
import { type Answer, Site } from "../../src/tab/site/site";

const TOKEN = "AAECAwQFBgcICQoLDA0ODw";
const COOKIE = `veranda-photos=${TOKEN}`;
const CHANGED = Date.UTC(2026, 10, 21, 8);
const NOW = CHANGED + 60_000;

function picked(...files: [path: string, content: string][]): PickedFiles {
  return new PickedFiles(
    "Photos",
    files.map(([path, content]) => {
      const names = path.split("/");
      return { names, file: new File([content], names.at(-1) ?? "", { lastModified: CHANGED }) };
    }),
  );
}

const FILES = picked(
  ["a.txt", "0123456789"],
  ["site/index.html", "<p>Home"],
  ["sub/b c.html", "<p>Hi"],
  ["empty", ""],
  [".env", "secret"],
  ["sub/.git/config", "secret"],
);

interface Ask {
  readonly method?: string;
  readonly headers?: [string, string][];
  readonly folder?: Folder;
  readonly cookie?: string;
}

function ask(
  target: string,
  { method = "GET", headers = [], folder = FILES, cookie = COOKIE }: Ask = {},
) {
  const site = new Site(folder, new Door(TOKEN, "photos", false), () => NOW);
  const all: [string, string][] = cookie ? [["cookie", cookie], ...headers] : headers;
  return site.answer({ method, target, headers: all });
}

async function text({ body }: Answer): Promise<string> {
  const bytes = body instanceof Uint8Array ? body : body.first;
  return new TextDecoder().decode(bytes);
}

function header(answer: Answer, name: string) {
  return only(answer.headers, name);
}

describe("the door", () => {
  it.each([
    ["", "/"],
    ["/", "/"],
    ["/a/b.txt", "/a/b.txt"],
    ["/a%20b/%C3%BC?x=1&y=%2F", "/a%20b/%C3%BC?x=1&y=%2F"],
    ["?download=1", "/?download=1"],
    ["//evil.example", "/evil.example"],
    ["///evil.example/x", "/evil.example/x"],
    ["/\\evil.example", "/evil.example"],
    ["/\\/\\/evil.example", "/evil.example"],
    ["/https://evil.example", "/https://evil.example"],
    ["/s/again", "/s/again"],
  ])("leads /s/<token>%s to %s", async (rest, location) => {
    const answer = await ask(`/s/${TOKEN}${rest}`, { cookie: "" });
    expect(answer.status).toBe(303);
    expect(header(answer, "location")).toBe(location);
    expect(header(answer, "set-cookie")).toBe(
      `${COOKIE}; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax`,
    );
    expect(header(answer, "referrer-policy")).toBe("no-referrer");
    expect(header(answer, "cache-control")).toBe("no-store");
  });

  it("names a cookie for https that no other host can have set", () => {
    const verdict = new Door(TOKEN, "photos", true).judge(`/s/${TOKEN}`, undefined, []);
    expect(verdict).toMatchObject({
      kind: "enter",
      cookie: expect.stringMatching(/^__Host-.*; Secure$/),
    });
  });

  const wrong = TOKEN.replace("A", "B");
  it.each([
    ["/", []],
    [`/s/${wrong}`, []],
    [`/s/${TOKEN}A`, []],
    [`/S/${TOKEN}`, []],
    [`/%73/${TOKEN}`, []],
    [`//s/${TOKEN}`, []],
    [`/?/s/${TOKEN}`, []],
    ["/a.txt", [["cookie", `veranda-photos=${wrong}`]]],
    ["/a.txt", [["cookie", `xveranda-photos=${TOKEN}`]]],
    ["/a.txt", [["cookie", "veranda-photos="]]],
    ["/a.txt", [["authorization", `Basic ${TOKEN}`]]],
    [`/s/${wrong}`, [["cookie", COOKIE]]],
  ] as [string, [string, string][]][])("refuses %s %j", async (target, headers) => {
    const answer = await ask(target, { headers, cookie: "" });
    expect(answer.status).toBe(404);
    expect(await text(answer)).toContain("whole link");
  });

  it.each([
    [["authorization", `Bearer ${TOKEN}`]],
    [["authorization", `bearer  ${TOKEN}`]],
    [["cookie", `a=b;veranda-photos=${TOKEN};c=d`]],
    [["cookie", `veranda-photos=stale; ${COOKIE}`]],
  ] as [string, string][][])("lets %j in", async (headers) => {
    expect(
      (await ask("/a.txt", { headers: [headers] as [string, string][], cookie: "" })).status,
    ).toBe(200);
  });
});

describe("a file", () => {
  it("is what was picked", async () => {
    const answer = await ask("/a.txt");
    expect(answer.status).toBe(200);
    expect(await text(answer)).toBe("0123456789");
    expect(header(answer, "content-type")).toBe("text/plain; charset=utf-8");
    expect(header(answer, "content-length")).toBe("10");
    expect(header(answer, "last-modified")).toBe("Sat, 21 Nov 2026 08:00:00 GMT");
    expect(header(answer, "cache-control")).toBe("private, no-cache");
    expect(header(answer, "x-robots-tag")).toBe("noindex");
    expect(header(answer, "cross-origin-resource-policy")).toBe("same-origin");
    expect(header(answer, "content-security-policy")).toBeUndefined();
  });

  it("is sent in part", async () => {
    const answer = await ask("/a.txt", { headers: [["range", "bytes=3-5"]] });
    expect(answer.status).toBe(206);
    expect(header(answer, "content-range")).toBe("bytes 3-5/10");
    expect(await text(answer)).toBe("345");
    const none = await ask("/a.txt", { headers: [["range", "bytes=10-"]] });
    expect(none.status).toBe(416);
    expect(header(none, "content-range")).toBe("bytes */10");
  });

  it("is not sent to those who have it", async () => {
    const tag = header(await ask("/a.txt"), "etag") ?? "";
    const answer = await ask("/a.txt", { headers: [["if-none-match", tag]] });
    expect([answer.status, answer.body.length]).toEqual([304, 0]);
    const changed = await ask("/a.txt", { headers: [["if-match", '"x"']] });
    expect(changed.status).toBe(412);
  });

  it("is described without being sent", async () => {
    const answer = await ask("/a.txt", { method: "HEAD", headers: [["range", "bytes=3-5"]] });
    expect([answer.status, answer.body.length]).toEqual([200, 0]);
    expect(header(answer, "content-length")).toBe("10");
  });

  it("can be kept, and can be empty", async () => {
    const kept = await ask("/a.txt?download");
    expect(header(kept, "content-disposition")).toBe('attachment; filename="a.txt"');
    const empty = await ask("/empty");
    expect([empty.status, header(empty, "content-length"), empty.body.length]).toEqual([
      200,
      "0",
      0,
    ]);
  });

  it("that vanished is a page and no empty file", async () => {
    const gone = new File(["x"], "gone.txt");
    gone.slice = () => {
      return {
        arrayBuffer: () => Promise.reject(new DOMException("gone", "NotReadableError")),
      } as Blob;
    };
    const folder = new PickedFiles("P", [{ names: ["gone.txt"], file: gone }]);
    const answer = await ask("/gone.txt", { folder });
    expect(answer.status).toBe(503);
    expect(await text(answer)).toContain("choose it again");
  });

  it("that may not be read any more is a page", async () => {
    const find = () => Promise.reject(new Unreadable("denied"));
    const folder = { title: "P", find, list: () => Promise.resolve(undefined) };
    expect((await ask("/a", { folder })).status).toBe(403);
  });
});

describe("a folder", () => {
  it("is listed, without what is hidden", async () => {
    const answer = await ask("/", { headers: [["accept", "text/html"]] });
    const page = await text(answer);
    expect(answer.status).toBe(200);
    expect(page).toContain('href="a.txt"');
    expect(page).not.toContain(".env");
    const policy = header(answer, "content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'/);
  });

  it("with an index shows that", async () => {
    expect(await text(await ask("/site/"))).toBe("<p>Home");
  });

  it("is sent to its slash", async () => {
    const answer = await ask("/sub?a=b");
    expect([answer.status, header(answer, "location")]).toEqual([308, "./sub/?a=b"]);
  });

  it.each(["/a.txt/", "/nothing", "/.env", "/sub/.git/config", "/sub/.git/", "/a.txt/b"])(
    "has nothing at %s",
    async (target) => {
      expect((await ask(target)).status).toBe(404);
    },
  );

  it.each(["/..", "/%2e%2e/", "/a%2F..", "/%00"])("refuses %s", async (target) => {
    expect((await ask(target)).status).toBe(400);
  });

  it("can only be read", async () => {
    const answer = await ask("/a.txt", { method: "POST" });
    expect([answer.status, header(answer, "allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
    expect((await ask("/a.txt", { method: "OPTIONS" })).status).toBe(204);
  });
});

describe("what was picked", () => {
  it("keeps no name that could lead elsewhere", () => {
    const files = picked(["../x", "1"], ["a/../b", "2"], ["a//b", "3"], ["fine", "4"]);
    expect(files.count).toBe(1);
  });

  it("takes the folder's name for a title, and tells equal names apart", async () => {
    const inFolder = (path: string) => {
      const file = new File(["x"], path.split("/").at(-1) ?? "");
      Object.defineProperty(file, "webkitRelativePath", { value: path });
      return file;
    };
    const folder = fromInput([inFolder("Holiday/a.txt"), inFolder("Holiday/sub/b.txt")]);
    expect([folder.title, folder.count]).toEqual(["Holiday", 2]);
    expect(await folder.find(["sub", "b.txt"])).toBeInstanceOf(File);
    const twice = fromInput([new File(["1"], "a.txt"), new File(["2"], "a.txt")]);
    expect(twice.count).toBe(2);
    expect(await twice.find(["a (2).txt"])).toBeInstanceOf(File);
  });
});

it.each([
  ["a.HTM", "text/html; charset=utf-8"],
  ["a.mjs", "text/javascript; charset=utf-8"],
  ["a.json", "application/json"],
  ["a.svg", "image/svg+xml"],
  ["a", "application/octet-stream"],
  ["a.", "application/octet-stream"],
  ["a.constructor", "application/octet-stream"],
])("%s is %s", (name, type) => {
  expect(contentType(name)).toBe(type);
});

// The table of crates/sites/src/folder/media.rs.
it.each([
  ["a.txt", 'attachment; filename="a.txt"'],
  ["a b;c=d.txt", 'attachment; filename="a b;c=d.txt"'],
  ['a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"],
  ["a\\b/c", 'attachment; filename="a_b_c"'],
  ["a\r\nSet-Cookie: x", 'attachment; filename="a__Set-Cookie: x"'],
  ["100%41", "attachment; filename=\"100_41\"; filename*=UTF-8''100%2541"],
  ["grüße.txt", "attachment; filename=\"gr__e.txt\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt"],
  ["x\u202egpj.exe", 'attachment; filename="x_gpj.exe"'],
])("%j is kept as %s", (name, expected) => {
  expect(attachment(name)).toBe(expected);
});
