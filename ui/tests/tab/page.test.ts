import axe from "axe-core";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Ledger } from "../../src/tab/ledger";
import { choosePage } from "../../src/tab/page/choose";
import { messagePage } from "../../src/tab/page/message";
import { OnlinePage } from "../../src/tab/page/online";
import { qrCode } from "../../src/tab/page/qr";
import type { Phase, Publication } from "../../src/tab/publication";
import { PickedFiles } from "../../src/tab/site/picked";
import { speak } from "../../src/tab/words";
import { eventually } from "../patience";

beforeEach(() => speak(["en"]));

/** Runs every rule that needs no layout. */
async function violations(page: HTMLElement): Promise<string[]> {
  const main = document.createElement("main");
  const title = document.createElement("h1");
  title.textContent = "Veranda";
  main.append(title, page);
  document.body.replaceChildren(main);
  document.title = "Veranda";
  const { violations } = await axe.run(document.body, {
    rules: { "color-contrast": { enabled: false }, "target-size": { enabled: false } },
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`);
}

function choosing(isKept = false) {
  const [chosen, forget] = [vi.fn(), vi.fn()];
  const page = choosePage({ isKept, note: "stopped", chosen, forget });
  return { page, chosen, forget };
}

/** Chooses files as a person does in the dialog of the browser. */
function choose(page: HTMLElement, files: File[]) {
  const input = page.querySelector<HTMLInputElement>("#files-input");
  Object.defineProperty(input, "files", { value: files });
  input?.dispatchEvent(new Event("change"));
}

const NAME = "<img src=x onerror=alert(1)>\u202e.txt";

function online(phase: Phase, ledger = new Ledger(() => 0)) {
  const folder = new PickedFiles(NAME, [{ names: ["a"], file: new File(["a"], "a") }]);
  const publication = {
    phase,
    folder,
    ledger,
    url: "https://a-b2c3d.gateway.example/s/AAECAwQFBgcICQoLDA0ODw",
    isKept: false,
    setKept: vi.fn(() => Promise.reject(new Error("private"))),
    retryNow: vi.fn(),
    end: vi.fn(),
  };
  const awake = { isOffered: true, isOn: false, set: vi.fn() };
  const said = vi.fn();
  const page = new OnlinePage(publication as unknown as Publication, awake, said);
  return { page, publication, awake, said };
}

function text(page: OnlinePage, selector: string): string {
  return page.element.querySelector(selector)?.textContent ?? "";
}

describe("the page for choosing", () => {
  it("breaks no rule of accessibility", async () => {
    expect(await violations(choosing(true).page)).toEqual([]);
  });

  it("hands on what was chosen, and says when there is nothing in it", () => {
    const { page, chosen } = choosing();
    choose(page, [new File(["x"], ".hidden")]);
    expect(chosen).not.toHaveBeenCalled();
    expect(page.querySelector("[role=alert]")?.textContent).toContain("nothing in it");
    const again = choosing();
    choose(again.page, [new File(["x"], "a.txt")]);
    expect(again.chosen).toHaveBeenCalledWith(expect.objectContaining({ count: 1 }));
  });
});

describe("the page of what is published", () => {
  it.each<Phase>([
    { kind: "starting" },
    { kind: "online" },
    { kind: "away", nextTry: Date.now() + 5000, sentence: "" },
  ])("breaks no rule of accessibility: %j", async (phase) => {
    const ledger = new Ledger(() => 0);
    ledger.begin(NAME, 10, 1);
    ledger.begin("b", 10, 2).cut();
    expect(await violations(online(phase, ledger).page.element)).toEqual([]);
  });

  it("shows hostile names as text", () => {
    const ledger = new Ledger(() => 0);
    ledger.begin(NAME, 10, 1);
    const { page } = online({ kind: "online" }, ledger);
    expect(page.element.querySelector("img")).toBeNull();
    expect(text(page, "#site-title")).toBe("<img src=x onerror=alert(1)><U+202E>.txt");
  });

  it("has no link before the gateway confirmed the name, and keeps it when the line breaks", () => {
    const { page, publication } = online({ kind: "starting" });
    expect(text(page, "#link")).toBe("Getting the link…");
    expect(page.element.querySelector<HTMLButtonElement>("#copy")?.disabled).toBe(true);
    publication.phase = { kind: "online" };
    page.update();
    expect(text(page, "#link")).toBe(publication.url);
    publication.phase = { kind: "away", nextTry: Date.now() + 60_000, sentence: "" };
    page.update();
    expect(text(page, "#link")).toBe(publication.url);
    expect(text(page, ".trouble")).toMatch(/Next try in (59|60) seconds/);
    publication.phase = { kind: "away", nextTry: Date.now(), sentence: "There is no room." };
    page.update();
    expect(text(page, ".trouble")).toContain("The gateway says: There is no room.");
    page.element.querySelector<HTMLButtonElement>("#retry")?.click();
    expect(publication.retryNow).toHaveBeenCalled();
  });

  it("says when the browser keeps nothing", async () => {
    const { page } = online({ kind: "online" });
    document.body.append(page.element);
    const box = page.element.querySelector<HTMLInputElement>("#keep");
    box?.click();
    await eventually(() => expect(text(page, ".options .error")).toContain("keeps nothing"));
    expect(box?.checked).toBe(false);
  });

  it("shows progress, and tells what ended", () => {
    const ledger = new Ledger(() => 0);
    const transfer = ledger.begin("a.txt", 1000, 7);
    const { page, said } = online({ kind: "online" }, ledger);
    ledger.receipts('{"receipts":[{"transaction":7,"delivered":250,"state":"running"}]}');
    page.update();
    const bar = page.element.querySelector("progress");
    expect([bar?.value, bar?.max, bar?.getAttribute("aria-valuetext")]).toEqual([
      250,
      1000,
      "25%, 250\u00a0B of 1.0\u00a0kB",
    ]);
    transfer.cut();
    page.update();
    page.update();
    expect(page.element.querySelector("progress")).toBeNull();
    expect(text(page, ".past")).toContain("Not completed: 250\u00a0B of 1.0\u00a0kB");
    expect(said.mock.calls).toEqual([["a.txt was not fetched completely."]]);
  });
});

it("a message breaks no rule of accessibility", async () => {
  const action = { label: "Go", act: () => {} };
  expect(await violations(messagePage("old", "Title", ["Sentence."], action))).toEqual([]);
});

it("draws a link as a code with its quiet zone", () => {
  const svg = qrCode("https://a-b2c3d.gateway.example/s/AAECAwQFBgcICQoLDA0ODw");
  const size = Number(svg.getAttribute("viewBox")?.split(" ")[2]);
  // The three marks of any code are seven modules wide.
  expect(svg.querySelector("path")?.getAttribute("d")).toMatch(/^M4 4h7v1h-7z/);
  expect(size).toBeGreaterThan(29);
});
