import { render, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import App from "../src/App.svelte";
import type { View } from "../src/generated/bindings";
import type { Backend } from "../src/lib/backend";
import { speak } from "../src/lib/words";
import { photos, SCENES, view } from "../src/pretend/scenes";
import { open } from "./open";

afterEach(() => vi.useRealTimers());

const card = (index = 0) => within(screen.getAllByTestId("site-card")[index] as HTMLElement);

describe("with nothing published", () => {
  it("offers one obvious action, ready for Enter", async () => {
    const { backend, user } = open("empty");
    const button = await screen.findByRole("button", { name: "Choose a folder to publish" });
    expect(document.activeElement).toBe(button);
    expect(screen.getByText("or drop it here")).toBeTruthy();
    expect(screen.getByText(/Your files stay on this computer/)).toBeTruthy();
    expect(screen.queryByRole("switch")).toBeNull();

    await user.keyboard("{Enter}");
    expect(backend.dialogs).toBe(1);
    expect(screen.getByRole("heading", { level: 3, name: "Summer by the lake" })).toBeTruthy();
  });

  it("goes on with the keyboard where the new link is", async () => {
    const { backend, user } = open("empty");
    await user.keyboard("{Enter}");
    const copy = card().getByRole("button", { name: "Copy link" });
    await waitFor(() => expect(document.activeElement).toBe(copy));
    await user.keyboard("{Enter}");
    expect(backend.asked.at(-1)).toEqual({ type: "copyLink", site: "site-1" });
    expect(screen.getByTestId("said").textContent).toBe("The link is on the clipboard.");
  });

  it("marks the place where a folder may be dropped", async () => {
    const { backend } = open("empty");
    backend.show({ dropTarget: true });
    expect(await screen.findByText(/^Drop folders to publish them/)).toBeTruthy();
    expect(screen.queryByTestId("drop-veil")).toBeNull();
  });

  it("still shows what was", async () => {
    open("emptyWithHistory");
    expect((await screen.findAllByTestId("history-item")).length).toBe(3);
  });
});

describe("a site", () => {
  it("says what it is", async () => {
    open("oneSite");
    const article = await screen.findByRole("article", { name: "Summer by the lake" });
    expect(article.textContent).toContain("/home/anna/Pictures/2026/Summer by the lake");
    expect(article.textContent).toContain("12 visitors");
    expect(card().getByTestId("site-link").textContent).toBe(photos().url);
    expect(card().getByRole("switch", { name: "Publish" }).getAttribute("aria-checked")).toBe(
      "true",
    );
  });

  it("copies its link and says so, for a while", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const { backend, user } = open("oneSite", {}, true);
    await user.click(card().getByTestId("copy-link"));
    expect(backend.asked).toEqual([{ type: "copyLink", site: "photos" }]);
    expect(card().getByTestId("copy-link").textContent).toContain("Copied");
    await vi.advanceTimersByTimeAsync(3000);
    expect(card().getByTestId("copy-link").textContent).toContain("Copy link");
  });

  it("does not say that it copied what it did not", async () => {
    const { backend, user } = open("oneSite");
    backend.refuseWith = { code: "internal", sentence: "The clipboard is taken. Try again." };
    await user.click(card().getByTestId("copy-link"));
    expect(card().getByTestId("copy-link").textContent).toContain("Copy link");
    expect(screen.getByRole("alert").textContent).toContain("The clipboard is taken. Try again.");
  });

  it("opens its link", async () => {
    const { backend, user } = open("oneSite");
    await user.click(card().getByRole("button", { name: "Open" }));
    expect(backend.asked).toEqual([{ type: "openLink", site: "photos" }]);
  });

  it("waits for its link", async () => {
    const { backend, user } = open("freshSite");
    expect(await screen.findByText("Getting the link…")).toBeTruthy();
    expect(screen.queryByTestId("site-link")).toBeNull();
    expect(screen.queryByTestId("show-qr")).toBeNull();
    for (const testid of ["copy-link", "open-link"]) {
      expect(card().getByTestId(testid).getAttribute("aria-disabled")).toBe("true");
      await user.click(card().getByTestId(testid));
    }
    expect(backend.asked).toEqual([]);
  });

  it("is switched off and on", async () => {
    const { backend, user } = open("oneSite");
    await user.click(card().getByRole("switch", { name: "Publish" }));
    expect(backend.asked).toEqual([{ type: "setSiteOn", site: "photos", on: false }]);
    expect(screen.queryByTestId("site-link")).toBeNull();
    expect(screen.getByText("Switched off: the link does not work.")).toBeTruthy();
    await user.click(card().getByRole("switch", { name: "Publish" }));
    expect(backend.asked.at(-1)).toEqual({ type: "setSiteOn", site: "photos", on: true });
    expect(screen.getByTestId("site-link")).toBeTruthy();
  });

  it("says what is the matter with it", async () => {
    open("trouble");
    expect((await screen.findByText(/The folder is gone/)).closest("article")).toBe(
      screen.getAllByTestId("site-card")[0],
    );
  });

  it("shows its link as a QR code in a dialog that Escape closes", async () => {
    const { user } = open("oneSite");
    await user.click(card().getByRole("button", { name: "QR code" }));
    const dialog = screen.getByRole("dialog", { name: "QR code of “Summer by the lake”" });
    expect(within(dialog).getByRole("img", { name: photos().url ?? "" })).toBeTruthy();
    expect(within(dialog).getByText(/a phone cannot follow it/)).toBeTruthy();
    await user.click(within(dialog).getByRole("button", { name: "Close" }));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("tells where to point the phone when a phone can follow the link", async () => {
    const { user } = open("oneSite", {
      gateway: { type: "remote", address: "https://gateway.example/" },
    });
    await user.click(card().getByRole("button", { name: "QR code" }));
    expect(screen.getByText("Point the camera of a phone at it.")).toBeTruthy();
  });

  it("is renamed in place", async () => {
    const { backend, user } = open("oneSite");
    await user.click(card().getByRole("button", { name: "Rename" }));
    const field = card().getByRole("textbox", { name: "Title" });
    expect(document.activeElement).toBe(field);
    await user.clear(field);
    await user.keyboard("{Enter}");
    expect(card().getByRole("alert").textContent).toBe("Use 1 to 60 characters.");
    expect(field.getAttribute("aria-invalid")).toBe("true");
    await user.type(field, "  The lake {Enter}");
    expect(backend.asked).toEqual([{ type: "renameSite", site: "photos", name: "The lake" }]);
    expect(screen.getByRole("heading", { level: 3, name: "The lake" })).toBeTruthy();
    await waitFor(() =>
      expect(document.activeElement).toBe(card().getByRole("button", { name: "Rename" })),
    );
  });

  it("shows at the field why it was not renamed, and forgets a title on Escape", async () => {
    const { backend, user } = open("oneSite");
    await user.click(card().getByRole("button", { name: "Rename" }));
    await user.keyboard("Lake");
    backend.refuseWith = { code: "badName", sentence: "Choose another title." };
    await user.keyboard("{Enter}");
    expect(card().getByRole("alert").textContent).toBe("Choose another title.");
    expect(screen.queryByTestId("problem")).toBeNull();
    await user.keyboard("{Escape}");
    expect(screen.getByRole("heading", { level: 3, name: "Summer by the lake" })).toBeTruthy();
  });

  it("is removed only after a question in its place", async () => {
    const { backend, user } = open("oneSite");
    const options = card().getByRole("button", { name: "Options" });
    expect(options.getAttribute("aria-expanded")).toBe("false");
    await user.click(options);
    expect(options.getAttribute("aria-expanded")).toBe("true");
    await user.click(card().getByTestId("remove-site"));
    const question = card().getByRole("group", { name: "Stop publishing “Summer by the lake”?" });
    expect(question.textContent).toContain("The folder stays as it is.");
    expect(document.activeElement).toBe(within(question).getByRole("button", { name: "Keep" }));

    await user.keyboard("{Escape}");
    expect(backend.asked).toEqual([]);
    await waitFor(() => expect(document.activeElement).toBe(card().getByTestId("remove-site")));
    await user.click(card().getByTestId("remove-site"));
    await user.click(card().getByRole("button", { name: "Stop publishing" }));
    expect(backend.asked).toEqual([{ type: "removeSite", site: "photos" }]);
    await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId("add-folder")));
    expect(screen.getByTestId("said").textContent).toContain("no longer published");
  });

  it("serves hidden files only when asked to", async () => {
    const { backend, user } = open("oneSite");
    await user.click(card().getByRole("button", { name: "Options" }));
    const hidden = card().getByRole("switch", { name: "Show hidden files to visitors" });
    expect(hidden.getAttribute("aria-checked")).toBe("false");
    await user.click(hidden);
    expect(backend.asked).toEqual([{ type: "setHiddenFiles", site: "photos", shown: true }]);
    expect(hidden.getAttribute("aria-checked")).toBe("true");
  });

  it("can have a neighbour", async () => {
    const { backend, user } = open("oneSite");
    await user.click(screen.getByRole("button", { name: "Publish a folder" }));
    expect(backend.dialogs).toBe(1);
    expect(screen.getAllByTestId("site-card")).toHaveLength(2);
    expect(screen.getByTestId("said").textContent).toBe("“Summer by the lake” is published.");
  });
});

describe("everything", () => {
  it("is paused and resumed", async () => {
    const { backend, user } = open("oneSite");
    const pause = screen.getByRole("switch", { name: "Pause everything" });
    expect(pause).toBe(screen.getByTestId("pause-all"));
    await user.click(pause);
    expect(backend.asked).toEqual([{ type: "pauseAll", paused: true }]);
    expect(pause.getAttribute("aria-checked")).toBe("true");
    expect(screen.getByText(/Everything is paused/)).toBeTruthy();
    expect(screen.queryByTestId("site-link")).toBeNull();
    expect(card().getByRole("switch", { name: "Publish" }).getAttribute("aria-checked")).toBe(
      "true",
    );
    await user.click(screen.getByRole("button", { name: "Resume" }));
    expect(backend.asked.at(-1)).toEqual({ type: "pauseAll", paused: false });
  });

  it("takes a folder that is dropped", async () => {
    const { backend } = open("oneSite");
    expect(screen.queryByTestId("drop-veil")).toBeNull();
    backend.show({ dropTarget: true });
    expect(await screen.findByTestId("drop-veil")).toBeTruthy();
    backend.show({ dropTarget: false });
    await waitFor(() => expect(screen.queryByTestId("drop-veil")).toBeNull());
  });
});

describe("a transfer", () => {
  it("says who, what, how far, how fast and how long", async () => {
    open("busy");
    const row = within((await screen.findAllByTestId("transfer"))[0] as HTMLElement);
    const bar = row.getByRole("progressbar");
    expect(bar.getAttribute("aria-valuenow")).toBe("62");
    expect(bar.getAttribute("aria-valuetext")?.replaceAll("\u00a0", " ")).toBe(
      "62%, 521 MB of 840 MB, about 2 minutes left",
    );
    expect(bar.getAttribute("aria-label")).toBe("videos/The boat, first sail.mp4");
    const text = screen.getAllByTestId("transfer")[0]?.textContent?.replaceAll("\u00a0", " ");
    for (const part of ["203.0.113.9, Firefox", "521 MB of 840 MB", "2.4 MB/s"]) {
      expect(text).toContain(part);
    }
  });

  it("says that it waits when nothing moves", async () => {
    open("busy");
    const row = (await screen.findAllByTestId("transfer"))[2] as HTMLElement;
    expect(row.textContent).toContain("waiting for the visitor");
    expect(row.textContent).not.toContain("/s");
  });

  it("is stopped once", async () => {
    const { backend, user } = open("busy");
    const stop = screen.getAllByTestId("stop-transfer")[1] as HTMLElement;
    expect(stop.getAttribute("aria-label")).toBe("Stop sending “photos/IMG_20260714_183255.raw”");
    vi.spyOn(backend, "ask").mockImplementation(async (request) => {
      backend.asked.push(request);
    });
    await user.click(stop);
    await user.click(stop);
    expect(backend.asked).toEqual([{ type: "stopTransfer", transfer: "transfer-1" }]);
  });

  it("is counted when there are too many", async () => {
    open("many");
    expect((await screen.findAllByTestId("transfer")).length).toBe(100);
    expect(screen.getByText("and 37 more")).toBeTruthy();
  });

  it("is read out when it ends", async () => {
    const { backend } = open("oneSite");
    const ended = (SCENES.busy?.(Date.now()) ?? view(0, {})).history;
    backend.show({ history: ended.slice(0, 1) });
    await waitFor(() =>
      expect(screen.getByTestId("said").textContent).toBe("“photos/IMG_7000.jpg” was delivered."),
    );
    backend.show({ history: ended.slice(0, 3) });
    await waitFor(() => expect(screen.getByTestId("said").textContent).toBe("2 transfers ended."));
  });
});

describe("the history", () => {
  it("says how each transfer ended", async () => {
    open("busy");
    const rows = (await screen.findAllByTestId("history-item")).map((row) =>
      row.textContent?.replaceAll("\u00a0", " "),
    );
    const outcomes = [
      "Delivered, 3.1 MB",
      "Cut by the visitor after 1.4 MB of 3.8 MB",
      "Delivered, 4.6 MB",
      "You stopped it after 2.0 MB of 5.3 MB",
      "The connection was lost after 2.2 MB of 6.1 MB",
      "The file changed or could not be read after 2.5 MB of 6.8 MB",
      "Not confirmed: at least 2.8 MB of 7.5 MB arrived",
      "Delivered, 8.3 MB",
    ];
    outcomes.forEach((outcome, index) => {
      expect(rows[index]).toContain(outcome);
    });
  });

  it("says when, and exactly when", async () => {
    open("busy");
    const time = within((await screen.findAllByTestId("history-item"))[1] as HTMLElement).getByText(
      "17 minutes ago",
    );
    expect(time.getAttribute("title")).toMatch(/2\d{3}.* to .*2\d{3}/);
    expect(time.getAttribute("datetime")).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it("keeps its times up to date", async () => {
    vi.useFakeTimers();
    open("busy");
    await vi.advanceTimersByTimeAsync(0);
    expect(screen.getAllByTestId("history-item")[0]?.textContent).toContain("now");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(screen.getAllByTestId("history-item")[0]?.textContent).toContain("1 minute ago");
  });

  it("is long only when asked for", async () => {
    const { user } = open("many");
    expect((await screen.findAllByTestId("history-item")).length).toBe(12);
    await user.click(screen.getByRole("button", { name: "Show 188 more" }));
    const rows = screen.getAllByTestId("history-item");
    expect(rows.length).toBe(200);
    await waitFor(() => expect(document.activeElement).toBe(rows[12]));
  });

  it("is cleared", async () => {
    const { backend, user } = open("busy");
    await user.click(screen.getByRole("button", { name: "Clear history" }));
    expect(backend.asked).toEqual([{ type: "clearHistory" }]);
    expect(screen.getByText("Finished transfers will stand here.")).toBeTruthy();
    expect(document.activeElement?.textContent).toBe("History");
  });
});

describe("the connection", () => {
  it("says how and since when after one click", async () => {
    const { user } = open("oneSite");
    const line = await screen.findByRole("button", { name: "Connected" });
    expect(line.getAttribute("data-testid")).toBe("connection");
    expect(screen.queryByText("Petrichor, the fastest way")).toBeNull();
    await user.click(line);
    expect(line.getAttribute("aria-expanded")).toBe("true");
    expect(screen.getByText("Petrichor, the fastest way")).toBeTruthy();
    expect(screen.getByText("(47 minutes ago)")).toBeTruthy();
    expect(screen.queryByText("Why not better")).toBeNull();
    await user.click(screen.getByRole("button", { name: "Change gateway" }));
    expect(screen.getByRole("heading", { level: 1, name: "Settings" })).toBeTruthy();
  });

  it("says why it is not a better one, and looks again when asked", async () => {
    const { backend, user } = open("lowerRung");
    await user.click(await screen.findByRole("button", { name: "Connected" }));
    expect(screen.getByText("TAXI on a WebSocket")).toBeTruthy();
    const missed = within(screen.getByTestId("missed"));
    expect(missed.getAllByRole("listitem").map((item) => item.textContent?.trim())).toEqual([
      expect.stringMatching(/^Petrichor, the fastest way.*does not let it through.*1 minute ago/s),
      expect.stringMatching(/^Reversed HTTP\/2.*no answer/s),
      expect.stringMatching(/^Reversed HTTP\/1\.1.*refuses it: this way is closed/s),
    ]);
    await user.click(missed.getByRole("button", { name: "Look for a better way" }));
    expect(backend.asked).toEqual([{ type: "retry" }]);
  });

  it("says that it is being set up", async () => {
    open("connecting");
    expect(await screen.findByRole("button", { name: "Connecting…" })).toBeTruthy();
  });

  it("counts down to the next try, and tries at once when asked", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const { backend, user } = open("lost", {}, true);
    expect(screen.getByRole("button", { name: "Not connected" })).toBeTruthy();
    expect(screen.getByText(/The gateway does not answer/)).toBeTruthy();
    expect(screen.getByText("Next try in 12 seconds.")).toBeTruthy();
    await vi.advanceTimersByTimeAsync(11_500);
    expect(screen.getByText(/Next try in 1 second\.|Trying again…/)).toBeTruthy();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(screen.getByText("Trying again…")).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Try again now" }));
    expect(backend.asked).toEqual([{ type: "retry" }]);
    expect(screen.getByRole("button", { name: "Connected" })).toBeTruthy();
  });

  it("promises no try when the owner must act", async () => {
    open("lostForGood");
    expect(await screen.findByText(/The gateway refused your key/)).toBeTruthy();
    expect(screen.queryByText(/Next try/)).toBeNull();
    expect(screen.getByTestId("retry")).toBeTruthy();
  });
});

describe("a problem", () => {
  it("stays until it is dismissed", async () => {
    const { backend, user } = open("problem");
    const banner = await screen.findByTestId("problem");
    expect(banner.getAttribute("role")).toBe("alert");
    expect(banner.textContent).toContain("Another program took the port");
    await user.click(within(banner).getByRole("button", { name: "Dismiss" }));
    expect(backend.asked).toEqual([{ type: "dismissProblem" }]);
    expect(screen.queryByTestId("problem")).toBeNull();
    expect(document.activeElement).toBe(screen.getByRole("main"));
  });

  it("of a request goes with the next one that works", async () => {
    const { backend, user } = open("oneSite");
    backend.refuseWith = { code: "alreadyPublished", sentence: "It is published already." };
    await user.click(screen.getByTestId("add-folder"));
    expect(screen.getByTestId("problem").getAttribute("data-code")).toBe("alreadyPublished");
    await user.click(screen.getByTestId("open-link"));
    expect(screen.queryByTestId("problem")).toBeNull();
  });

  it("without a sentence gets one", async () => {
    const { backend, user } = open("oneSite");
    const log = vi.spyOn(console, "error").mockReturnValue();
    vi.spyOn(backend, "ask").mockRejectedValue("command ask not found");
    await user.click(screen.getByTestId("open-link"));
    expect(screen.getByTestId("problem").textContent).toContain("Veranda did not answer.");
    expect(log).toHaveBeenCalledOnce();
  });
});

describe("the start", () => {
  it("does not flash", async () => {
    vi.useFakeTimers();
    const { backend } = open("starting");
    await vi.advanceTimersByTimeAsync(300);
    expect(screen.queryByText("Starting…")).toBeNull();
    await vi.advanceTimersByTimeAsync(300);
    expect(screen.getByRole("status").textContent).toBe("Starting…");
    backend.show({ phase: { type: "ready" } });
    await vi.advanceTimersByTimeAsync(0);
    expect(screen.getByTestId("add-folder")).toBeTruthy();
  });

  it("is said before the first view comes, in the language of the app", async () => {
    vi.useFakeTimers();
    speak("de");
    let show: (view: View) => void = () => {};
    const backend: Backend = {
      ask: async () => {},
      watch: async (listener) => {
        show = listener;
      },
    };
    render(App, { props: { backend } });
    await vi.advanceTimersByTimeAsync(300);
    expect(document.body.textContent?.trim()).toBe("Veranda");
    await vi.advanceTimersByTimeAsync(300);
    expect(screen.getByRole("status").textContent).toBe("Wird gestartet …");
    show(view(Date.now(), { phase: { type: "starting" }, language: "de" }));
    await vi.advanceTimersByTimeAsync(0);
    expect(screen.getByRole("status").textContent).toBe("Wird gestartet …");
    show(view(Date.now(), { language: "de" }));
    await vi.advanceTimersByTimeAsync(0);
    expect(screen.queryByTestId("starting")).toBeNull();
    speak("en");
  });

  it("is not said when there is none", async () => {
    vi.useFakeTimers();
    vi.spyOn(console, "error").mockReturnValue();
    const backend: Backend = {
      ask: async () => {},
      watch: () => Promise.reject(new Error("no bridge")),
    };
    render(App, { props: { backend } });
    await vi.advanceTimersByTimeAsync(600);
    expect(screen.getByTestId("problem").textContent).toContain("Veranda did not answer.");
    expect(screen.queryByTestId("starting")).toBeNull();
    screen.getByRole("button", { name: "Dismiss" }).click();
    await vi.advanceTimersByTimeAsync(600);
    expect(screen.queryByTestId("problem")).toBeNull();
    expect(screen.queryByTestId("starting")).toBeNull();
  });
});

describe("a slow way", () => {
  const sentence = /about 7\.6.kB a second: a photo takes about 2 minutes/;

  it("is a quiet line at each site, and in the details", async () => {
    const { user } = open("chatSlow");
    expect(await screen.findAllByText(sentence)).toHaveLength(2);
    await user.click(screen.getByTestId("connection"));
    const details = within(screen.getByTestId("connection-details"));
    expect(details.getByText(sentence)).toBeTruthy();
    expect(details.getByText("CrossTalk over XMPP")).toBeTruthy();
  });

  it("is no word at a site when it is fast, or nothing is served", async () => {
    const { backend, user } = open("chatFast");
    await user.click(await screen.findByTestId("connection"));
    expect(screen.getByTestId("pace").textContent).toMatch(/About 11\.0.MB a second/);
    expect(screen.queryByTestId("slow-way")).toBeNull();
    const { connection } = (SCENES.chatSlow as (now: number) => View)(Date.now());
    backend.show({ connection, paused: true });
    await waitFor(() => expect(screen.getAllByText(sentence)).toHaveLength(1));
    expect(screen.queryByTestId("slow-way")).toBeNull();
  });
});
