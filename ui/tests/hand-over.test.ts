import { screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { cut, film } from "../src/pretend/hand-overs";
import { HOSTILE } from "../src/pretend/scenes";
import { open } from "./open";

const cards = () => screen.getAllByTestId("hand-over-card");
const card = (index = 0) => within(cards()[index] as HTMLElement);
const text = (element: HTMLElement | undefined) => element?.textContent?.replaceAll("\u00a0", " ");
const said = () => screen.getByTestId("said").textContent;
/** Buttons that a stranger lets appear wait a moment. */
const ready = async () => {
  for (const button of await screen.findAllByTestId("allow-knock")) {
    await waitFor(() => expect((button as HTMLButtonElement).disabled).toBe(false));
  }
};

describe("sending a file", () => {
  it("begins with the dialog, asks little, and makes a link", async () => {
    const { backend, user } = open("empty");
    await user.click(await screen.findByRole("button", { name: /^Send a file/ }));
    expect(backend.dialogs).toBe(1);
    const sheet = await screen.findByRole("dialog", { name: "Send 3 files" });
    expect(within(sheet).getAllByTestId("draft-file")).toHaveLength(3);
    expect(text(sheet)).toContain("Together 9.8 MB, as one zip archive.");
    const create = within(sheet).getByRole("button", { name: "Create link" });
    await waitFor(() => expect(document.activeElement).toBe(create));
    await user.type(within(sheet).getByRole("textbox", { name: /^A note/ }), "  For you  ");
    await user.click(within(sheet).getByRole("switch", { name: "Ask me first" }));
    await user.click(create);
    expect(backend.asked.slice(1)).toEqual([
      { type: "sendFiles", note: "For you", askFirst: true },
    ]);
    await waitFor(() => expect(screen.queryByTestId("send-sheet")).toBeNull());
    expect(card().getByText(/Only the first person you allow gets it/)).toBeTruthy();
    expect(card().getByText("For you")).toBeTruthy();
    expect(said()).toBe("The link for “The boat, first sail.mp4” is being made.");
    const copy = card().getByRole("button", { name: "Copy link" });
    await waitFor(() => expect(document.activeElement).toBe(copy));
    await user.keyboard("{Enter}");
    expect(backend.asked.at(-1)?.type).toBe("copyHandOverLink");
    expect(card().getByTestId("copy-link").textContent).toContain("Copied");
  });

  it("goes on at the link, also when that is there before the sheet is gone", async () => {
    const { backend } = open("sendOne");
    await screen.findByTestId("send-sheet");
    backend.show({ handOvers: [film(Date.now())] });
    await screen.findByTestId("hand-over-card");
    backend.show({ draft: null });
    await waitFor(() => expect(document.activeElement).toBe(card().getByTestId("copy-link")));
  });

  it("says in the sheet why there is no link, and forgets nothing that was typed", async () => {
    const { backend, user } = open("sendOne");
    await user.type(await screen.findByTestId("sheet-note"), "For you");
    backend.refuseWith = { code: "filesUnusable", sentence: "The film is not there." };
    await user.click(screen.getByTestId("create-link"));
    expect(screen.getByTestId("sheet-error").textContent).toBe("The film is not there.");
    expect((screen.getByTestId("sheet-note") as HTMLTextAreaElement).value).toBe("For you");
    await user.click(screen.getByTestId("cancel-sheet"));
    expect(backend.asked.at(-1)).toEqual({ type: "cancelDraft" });
    await waitFor(() => expect(screen.queryByTestId("send-sheet")).toBeNull());
    expect(screen.queryByTestId("hand-over-card")).toBeNull();
  });

  it("shows files that were dropped in the same sheet, wherever the owner is", async () => {
    const { backend, user } = open("oneSite");
    await user.click(await screen.findByTestId("open-settings"));
    backend.show({
      draft: { type: "send", files: [{ name: "a.jpg", size: 5 }], more: 0, size: 5 },
    });
    const sheet = await screen.findByRole("dialog", { name: "Send 1 file" });
    expect(text(sheet)).not.toContain("zip");
    await user.keyboard("{Escape}");
    expect(screen.getByTestId("settings")).toBeTruthy();
    await user.click(within(sheet).getByTestId("create-link"));
    await waitFor(() => expect(cards()).toHaveLength(1));
    expect(screen.queryByTestId("settings")).toBeNull();
  });
});

describe("asking for a file", () => {
  it("has an answer to everything, and each can be changed", async () => {
    const { backend, user } = open("oneSite");
    await user.click(await screen.findByRole("button", { name: "Ask for a file" }));
    const sheet = within(await screen.findByRole("dialog", { name: "Ask for files" }));
    expect(sheet.getByTestId("inbox").textContent).toBe("/home/anna/Downloads");
    const largest = sheet.getByRole("combobox", { name: "Largest file" }) as HTMLSelectElement;
    expect(largest.selectedOptions[0]?.textContent).toMatch(/^10\.0.GB$/);
    await user.click(sheet.getByRole("button", { name: "Change…", description: "Folder" }));
    expect(sheet.getByTestId("inbox").textContent).toBe("/home/anna/Pictures/From others");
    await user.selectOptions(largest, "Any size");
    await user.click(sheet.getByTestId("create-link"));
    expect(backend.asked.at(-1)).toEqual({
      type: "askForFiles",
      largest: Number.MAX_SAFE_INTEGER,
      note: "",
      askFirst: false,
    });
    const title = "Files for “From others”";
    expect(await screen.findByRole("article", { name: title })).toBeTruthy();
    expect(card().getByText("Files of any size")).toBeTruthy();
  });

  it("shows what arrived, and where", async () => {
    const { backend, user } = open("handOverDone");
    expect((await screen.findAllByTestId("received")).map(text)).toEqual([
      expect.stringContaining("IMG_7000.jpg 3.1 MB, 203.0.113.9, 1 minute ago"),
      expect.stringContaining("IMG_7001.jpg"),
      expect.stringContaining("IMG_7002.jpg"),
    ]);
    await user.click(
      card().getByRole("button", { name: "Show in folder", description: "IMG_7001.jpg" }),
    );
    expect(backend.asked).toEqual([
      { type: "showReceived", handOver: "inbox", file: "IMG_7001.jpg" },
    ]);
  });
});

describe("somebody who asks first", () => {
  it("stands above everything, is named, and is allowed", async () => {
    const { backend, user } = open("handOverAsks");
    await ready();
    const who = "203.0.113.9 · Firefox on Windows";
    expect(cards().map((one) => one.dataset.handOver)).toEqual(["film", "inbox-2", "inbox"]);
    const knock = card().getByRole("group", { name: `${who} would like to fetch this.` });
    expect(knock.textContent).toContain("Is this the person you gave the link to?");
    await user.click(within(knock).getByRole("button", { name: `Allow ${who}` }));
    expect(backend.asked).toEqual([{ type: "answerKnock", knock: "knock-0", allow: true }]);
    await waitFor(() => expect(screen.getAllByTestId("knock")).toHaveLength(2));
  });

  it("is refused", async () => {
    const { backend, user } = open("handOverAsks");
    await ready();
    await user.click(screen.getAllByTestId("refuse-knock")[2] as HTMLElement);
    expect(backend.asked).toEqual([{ type: "answerKnock", knock: "knock-2", allow: false }]);
  });

  it("cannot put a button under a finger that is on its way", async () => {
    const { backend, user } = open("handOverWaiting");
    const knock = { id: "1", who: "203.0.113.9", at: Date.now() };
    await screen.findAllByTestId("hand-over-card");
    backend.show({ handOvers: [{ ...film(Date.now()), knocks: [knock] }] });
    await user.click(await screen.findByTestId("allow-knock"));
    expect(backend.asked).toEqual([]);
    expect(said()).toBe("203.0.113.9 waits for your answer about “The boat, first sail.mp4”.");
  });
});

describe("a hand-over", () => {
  it("says how far it is, in both directions", async () => {
    open("handOverPassing");
    const bars = (await screen.findAllByTestId("passing-progress")).map((bar) => [
      bar.getAttribute("aria-valuenow"),
      bar.getAttribute("aria-valuetext")?.replaceAll("\u00a0", " "),
    ]);
    expect(bars).toEqual([
      ["62", "62%, 521 MB of 840 MB, about 2 minutes left"],
      ["20", "20%, 168 MB of 840 MB, about 5 minutes left"],
      [null, "0 B so far"],
      ["99", "99%, 832 MB of 840 MB, waiting for the visitor"],
    ]);
    expect(card(0).getByText("Being delivered.")).toBeTruthy();
    expect(card(1).getByText("3 files are on their way.")).toBeTruthy();
  });

  it("says at which byte it was cut, by whom, and whether it goes on", async () => {
    open("handOverCut");
    const states = (await screen.findAllByTestId("hand-over-state")).map(text);
    expect(states).toEqual([
      expect.stringMatching(/They stopped after 312 MB of 840 MB\..*the link still works/),
      expect.stringMatching(/The connection was lost after 312 MB of 840 MB\./),
      expect.stringMatching(/It stopped; at least 312 MB of 840 MB arrived\./),
      expect.stringMatching(/The file changed.*the link does not work/),
      expect.stringMatching(/IMG_7002\.jpg.*The connection was lost/),
    ]);
  });

  it("says what is the matter, and not that it waits", async () => {
    open("handOverTrouble");
    const [first] = await screen.findAllByTestId("hand-over-card");
    expect(first?.textContent).toContain("Is the drive plugged in?");
    expect(first?.textContent).not.toContain("Waiting for somebody");
  });

  it("promises no continuation while something is the matter", async () => {
    const { backend } = open("handOverCut");
    const trouble = "Is the drive plugged in?";
    const handOvers = (["visitor", "connection", "file"] as const).map((by) => ({
      ...cut(film(Date.now()), by),
      id: by,
      trouble,
    }));
    backend.show({ handOvers });
    await waitFor(() => expect(cards()).toHaveLength(3));
    for (const one of cards()) {
      expect(one.textContent).toContain(trouble);
      expect(one.textContent).not.toContain("the link still works");
      expect(one.textContent).not.toContain("Waiting for somebody");
    }
    expect(card(2).getByText(/the link does not work/)).toBeTruthy();
  });

  it("is quiet once it is done, and is removed alone or with the others", async () => {
    const { backend, user } = open("handOverDone");
    const finished = (await screen.findAllByTestId("finished-item")).map(text);
    expect(finished).toEqual([
      expect.stringMatching(/The boat, first sail\.mp4.*Delivered, 840 MB, 1 hour ago/),
      expect.stringMatching(/House\.zip.*Delivered, 45\.3 MB/),
      expect.stringMatching(/Files for “Downloads”.*2 files arrived/),
    ]);
    await user.click(screen.getByRole("button", { name: "Remove “House.zip” from the list" }));
    expect(backend.asked).toEqual([{ type: "endHandOver", handOver: "done-2" }]);
    await waitFor(() => expect(screen.getAllByTestId("finished-item")).toHaveLength(2));
    await user.click(screen.getByRole("button", { name: "Remove all finished" }));
    expect(backend.asked.at(-1)).toEqual({ type: "removeFinished" });
    await waitFor(() => expect(screen.queryByTestId("finished")).toBeNull());
    expect(cards()).toHaveLength(1);
  });

  it("is only sent completely where the gateway cannot see what arrived", async () => {
    const now = Date.now();
    const { backend } = open("handOverWaiting");
    await screen.findAllByTestId("hand-over-card");
    const one = film(now);
    const stage = { type: "done", at: now, certain: false } as const;
    backend.show({ handOvers: [{ ...one, stage }] });
    const finished = text(await screen.findByTestId("finished-item"));
    expect(finished).toMatch(/Sent completely, 840 MB.*This gateway cannot see whether all of it/);
    expect(finished).not.toContain("Delivered");
    await waitFor(() => expect(said()).toBe("“The boat, first sail.mp4” was sent completely."));
  });

  it("ends only after a question, which says that something is cut", async () => {
    const { backend, user } = open("handOverPassing");
    await user.click((await screen.findAllByTestId("end-hand-over"))[0] as HTMLElement);
    const question = card().getByRole("group", { name: "End “The boat, first sail.mp4”?" });
    expect(question.textContent).toContain("It is cut and cannot be continued.");
    await user.keyboard("{Escape}");
    expect(backend.asked).toEqual([]);
    await waitFor(() => expect(document.activeElement).toBe(card().getByTestId("end-hand-over")));
    await user.click(card().getByTestId("end-hand-over"));
    await user.click(card().getByTestId("confirm-end"));
    expect(backend.asked).toEqual([{ type: "endHandOver", handOver: "film" }]);
    await waitFor(() => expect(cards()).toHaveLength(1));
  });

  it("has a link like a folder, except while everything is paused", async () => {
    const { backend, user } = open("handOverWaiting");
    await user.click((await screen.findAllByTestId("open-hand-over"))[0] as HTMLElement);
    expect(backend.asked).toEqual([{ type: "openHandOverLink", handOver: "film" }]);
    await user.click(card().getByTestId("show-qr"));
    const name = "QR code of “The boat, first sail.mp4”";
    expect(screen.getByRole("dialog", { name })).toBeTruthy();
    backend.show({ paused: true });
    await waitFor(() => expect(screen.queryByTestId("hand-over-link")).toBeNull());
    expect(screen.getByTestId("pause-all")).toBeTruthy();
    expect(screen.queryByTestId("qr-dialog")).toBeNull();
    backend.show({ paused: false });
    expect(await screen.findAllByTestId("hand-over-link")).toBeTruthy();
    expect(screen.queryByTestId("qr-dialog")).toBeNull();
  });

  it("puts no quotation marks into others of their kind", async () => {
    const { backend, user } = open("askSheet");
    await user.click(await screen.findByTestId("create-link"));
    await waitFor(() => expect(said()).toBe("The link for “Files for ‘Downloads’” is being made."));
    await user.click(card().getByTestId("show-qr"));
    expect(screen.getByRole("dialog", { name: "QR code of “Files for ‘Downloads’”" })).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Close" }));
    await user.click(card().getByTestId("end-hand-over"));
    expect(card().getByRole("group", { name: "End “Files for ‘Downloads’”?" })).toBeTruthy();
    await user.click(card().getByTestId("confirm-end"));
    expect(backend.asked.at(-1)?.type).toBe("endHandOver");
  });

  it("promises nothing while everything is paused", async () => {
    const { backend } = open("handOverCut");
    await screen.findAllByTestId("hand-over-card");
    backend.show({ paused: true });
    await waitFor(() => expect(card().getByText("Paused: the link does not work.")).toBeTruthy());
    for (const one of cards()) {
      expect(one.textContent).toContain("312 MB".replace(" ", "\u00a0"));
      expect(one.textContent).not.toContain("the link still works");
    }
    backend.show({ paused: true, handOvers: [film(Date.now())] });
    await waitFor(() => expect(cards()).toHaveLength(1));
    expect(cards()[0]?.textContent).not.toContain("Waiting");
  });

  it("comes to the front when its notification was clicked", async () => {
    const { backend, user } = open("handOverAsks");
    await user.click(await screen.findByTestId("open-settings"));
    backend.show({ openHandOver: "inbox" });
    await waitFor(() =>
      expect((document.activeElement as HTMLElement).dataset.handOver).toBe("inbox"),
    );
    expect(backend.asked).toEqual([{ type: "seeHandOver", handOver: "inbox" }]);
  });

  it("comes to the front when it is done and far down, too", async () => {
    const { backend } = open("handOverMany");
    expect(await screen.findAllByTestId("finished-item")).toHaveLength(5);
    backend.show({ openHandOver: "done-40" });
    await waitFor(() =>
      expect((document.activeElement as HTMLElement).dataset.handOver).toBe("done-40"),
    );
  });

  it("is read out when something becomes of it", async () => {
    const now = Date.now();
    const { backend } = open("handOverWaiting");
    await screen.findAllByTestId("hand-over-card");
    const one = film(now);
    const file = one.direction.type === "send" ? one.direction.name : "";
    const show = (differences: Partial<typeof one>) =>
      backend.show({ handOvers: [{ ...one, ...differences }] });
    show({ stage: { type: "cut", file, arrived: 1, size: 2, at: now, by: "visitor" } });
    await waitFor(() => expect(said()).toBe(`“${file}” was cut. It can be continued.`));
    show({ stage: { type: "done", at: now, certain: true } });
    await waitFor(() => expect(said()).toBe(`“${file}” was delivered.`));
    show({ received: [{ file: "a.jpg", size: 5, who: "203.0.113.9", at: now }] });
    await waitFor(() => expect(said()).toBe("“a.jpg” has arrived."));
  });

  it("shows text of strangers as text", async () => {
    open("handOverHostile");
    await screen.findAllByTestId("hand-over-card");
    expect(document.querySelector("script, img, [onerror]")).toBeNull();
    expect(screen.getAllByText(HOSTILE.markup).length).toBeGreaterThan(3);
    for (const character of ["\u202e", "\u2066", "\u0007"]) {
      expect(document.body.innerHTML).not.toContain(character);
    }
  });
});
