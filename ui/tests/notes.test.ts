import { screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { HOSTILE } from "../src/pretend/scenes";
import { open } from "./open";

const notes = () => screen.getAllByTestId("note");
const inside = (index: number) => within(notes()[index] as HTMLElement);

describe("notes of visitors", () => {
  it("wait behind one button that says how many are new", async () => {
    const { backend, user } = open("newNotes");
    const button = await screen.findByRole("button", { name: "4 notes 2 new" });
    expect(button.getAttribute("aria-expanded")).toBe("false");
    expect(screen.queryByTestId("notes")).toBeNull();
    expect(screen.getAllByTestId("site-notes").length).toBe(1);

    await user.click(button);
    expect(notes().length).toBe(4);
    expect(notes()[0]?.textContent).toContain("The third photo is missing.\nCould you");
    expect(notes()[0]?.textContent).toContain("Firefox on Windows");
    await waitFor(() => expect(screen.queryByTestId("new-notes")).toBeNull());
    expect(backend.asked).toEqual([{ type: "seeNotes", site: "photos" }]);
  });

  it("open by themselves when their notification was clicked", async () => {
    const { backend } = open("newNotes");
    await screen.findByTestId("site-notes");
    backend.show({ openNotes: "photos" });
    await waitFor(() => expect(notes().length).toBe(4));
    await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId("site-notes")));
    expect(backend.asked[0]).toEqual({ type: "seeNotes", site: "photos" });
  });

  it("are answered with the keyboard alone", async () => {
    const { backend, user } = open("notes");
    await user.click(await inside(0).findByRole("button", { name: "Answer" }));
    const field = inside(0).getByRole("textbox");
    expect(document.activeElement).toBe(field);
    await user.keyboard("{Control>}{Enter}{/Control}");
    expect(backend.asked.some(({ type }) => type === "answerNote")).toBe(false);
    await user.keyboard("It is back.{Control>}{Enter}{/Control}");
    expect(backend.asked.at(-1)).toEqual({
      type: "answerNote",
      note: "note-0",
      text: "It is back.",
    });
    expect(await inside(0).findByText("It is back.")).toBeTruthy();
    expect(inside(0).getByText("Delivered")).toBeTruthy();
    const again = inside(0).getByRole("button", { name: "Answer again" });
    await waitFor(() => expect(document.activeElement).toBe(again));
    expect(screen.getByTestId("said").textContent).toBe("Your answer is on its way.");
  });

  it("keep what was written when it could not be sent", async () => {
    const { backend, user } = open("notes");
    await user.click(await inside(0).findByTestId("answer-note"));
    await user.type(inside(0).getByRole("textbox"), "It is back.");
    backend.refuseWith = { code: "internal", sentence: "That could not be kept." };
    await user.click(inside(0).getByTestId("send-answer"));
    expect(inside(0).getByRole("alert").textContent).toBe("That could not be kept.");
    expect((inside(0).getByRole("textbox") as HTMLTextAreaElement).value).toBe("It is back.");
    await user.keyboard("{Escape}");
    expect(inside(0).queryByRole("textbox")).toBeNull();
  });

  it("say which cannot be answered, and which answers wait", async () => {
    open("notes");
    expect(await inside(1).findByText(/you cannot answer here/)).toBeTruthy();
    expect(inside(1).queryByTestId("answer-note")).toBeNull();
    expect(inside(3).getByText("Waits until they open the page again")).toBeTruthy();
  });

  it("are put away, and the focus stays with them", async () => {
    const { backend, user } = open("notes");
    await user.click(await inside(0).findByTestId("forget-note"));
    expect(backend.asked.at(-1)).toEqual({ type: "forgetNote", note: "note-0" });
    expect(notes().length).toBe(3);
    expect(document.activeElement).toBe(screen.getByTestId("notes"));
  });

  it("block their writer only after a question", async () => {
    const { backend, user } = open("notes");
    await user.click(await inside(0).findByTestId("block-writer"));
    expect(inside(0).getByText("Take no more notes from this visitor?")).toBeTruthy();
    await user.keyboard("{Escape}");
    expect(inside(0).queryByTestId("confirm-block")).toBeNull();
    await user.click(inside(0).getByTestId("block-writer"));
    await user.click(inside(0).getByTestId("confirm-block"));
    expect(backend.asked.at(-1)).toEqual({ type: "blockWriter", note: "note-0" });
    expect(notes().length).toBe(3);
  });

  it("can be switched off, and everybody let back in", async () => {
    const { backend, user } = open("noNotes");
    expect(await screen.findByText(/because you switched it off/)).toBeTruthy();
    await user.click(screen.getByTestId("site-options"));
    const takes = screen.getByRole("switch", { name: "Let visitors write to you" });
    expect(takes.getAttribute("aria-checked")).toBe("false");
    await user.click(takes);
    expect(backend.asked.at(-1)).toEqual({ type: "setTakesNotes", site: "photos", takes: true });
    expect(screen.getByText(/2 visitors are blocked/)).toBeTruthy();
    await user.click(screen.getByTestId("unblock-writers"));
    expect(backend.asked.at(-1)).toEqual({ type: "unblockWriters", site: "photos" });
    expect(screen.queryByTestId("unblock-writers")).toBeNull();
  });

  it("are read out when they come", async () => {
    const { backend } = open("newNotes");
    await screen.findByTestId("site-notes");
    const sites = structuredClone(backend.present.sites);
    const site = sites[0];
    const note = site?.notes[0];
    if (site && note) {
      site.notes.unshift({ ...note, id: "note-new" });
    }
    backend.show({ sites });
    await waitFor(() =>
      expect(screen.getByTestId("said").textContent).toBe(
        "A visitor wrote to you about “Summer by the lake”.",
      ),
    );
  });

  it("are text, whatever is in them", async () => {
    open("hostile");
    await waitFor(() => expect(notes().length).toBe(4));
    expect(document.querySelector("script, img, [onerror]")).toBeNull();
    expect(notes()[0]?.textContent).toContain(HOSTILE.markup);
    expect(document.body.innerHTML).not.toContain("\u202e");
  });
});
