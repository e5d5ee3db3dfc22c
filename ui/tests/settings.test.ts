import { screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import type { Request } from "../src/generated/bindings";
import { open } from "./open";

async function openSettings(scene = "oneSite", differences = {}) {
  const opened = open(scene, differences);
  await opened.user.click(await screen.findByRole("button", { name: "Settings" }));
  return opened;
}

it("opens and closes by keyboard, and the focus comes back", async () => {
  const { user } = await openSettings();
  expect(screen.getByRole("heading", { level: 1, name: "Settings" })).toBeTruthy();
  expect(document.activeElement).toBe(screen.getByRole("button", { name: "Back" }));
  await user.keyboard("{Escape}");
  await waitFor(() => expect(document.activeElement).toBe(screen.getByTestId("open-settings")));
});

it("shows who publishes and where the key is", async () => {
  await openSettings();
  expect((screen.getByLabelText("Your name") as HTMLInputElement).value).toBe("Anna");
  expect(screen.getByText("the keychain of this computer")).toBeTruthy();
  expect(screen.getByTestId("fingerprint").textContent).toBe("m3Xk-9aPq-Lw7d-02Zs");
});

it("changes the name, and says what is wrong with one", async () => {
  const { backend, user } = await openSettings();
  const field = screen.getByLabelText("Your name");
  await user.clear(field);
  await user.keyboard("{Enter}");
  expect(screen.getByText("Use 1 to 60 characters.")).toBeTruthy();
  await user.type(field, "Anna B.{Enter}");
  expect(backend.asked).toEqual([{ type: "renameIdentity", name: "Anna B." }]);
  expect(screen.getByRole("button", { name: "Saved." })).toBeTruthy();
});

describe("the switches", () => {
  const cases: [name: string, on: string, request: Request][] = [
    [
      "somebody visits a folder for the first time",
      "true",
      { type: "setNotification", kind: "firstVisitor", on: false },
    ],
    [
      "a transfer is finished",
      "false",
      { type: "setNotification", kind: "transferFinished", on: true },
    ],
    [
      "the connection is lost or back",
      "true",
      { type: "setNotification", kind: "connection", on: false },
    ],
    ["Start with the computer", "false", { type: "setStartAtLogin", on: true }],
  ];

  it.each(cases)("of %s", async (name, on, request) => {
    const { backend, user } = await openSettings();
    const button = screen.getByRole("switch", { name });
    expect(button.getAttribute("aria-checked")).toBe(on);
    await user.click(button);
    expect(backend.asked).toEqual([request]);
    expect(button.getAttribute("aria-checked")).not.toBe(on);
  });
});

describe("the gateway", () => {
  const use = () => screen.getByRole("button", { name: "Use this gateway" });

  it("is the one inside at first", async () => {
    await openSettings();
    const inside = screen.getByRole("radio", { name: "On this computer" });
    expect((inside as HTMLInputElement).checked).toBe(true);
    expect(screen.queryByTestId("use-gateway")).toBeNull();
  });

  it("becomes another one by pasting its address", async () => {
    const { backend, user } = await openSettings();
    await user.click(screen.getByRole("radio", { name: "Another gateway" }));
    await user.click(use());
    expect(screen.getByText("Paste the address of a gateway first.")).toBeTruthy();
    const field = screen.getByLabelText("Address of the gateway");
    expect(document.activeElement).toBe(field);
    await user.paste(" https://gateway.example ");
    backend.refuseWith = { code: "badGateway", sentence: "No gateway answers there." };
    await user.click(use());
    expect(screen.getByText("No gateway answers there.")).toBeTruthy();
    expect(field.getAttribute("aria-invalid")).toBe("true");
    await user.click(use());
    const request = { type: "useGateway", address: "https://gateway.example" };
    expect(backend.asked).toEqual([request, request]);
    await waitFor(() => expect(screen.queryByTestId("use-gateway")).toBeNull());
  });

  it("becomes the one inside again", async () => {
    const { backend, user } = await openSettings("lost");
    await user.click(screen.getByRole("radio", { name: "On this computer" }));
    await user.click(use());
    expect(backend.asked).toEqual([{ type: "useGateway", address: null }]);
  });
});

it("quits", async () => {
  const { backend, user } = await openSettings();
  await user.click(screen.getByRole("button", { name: "Quit Veranda" }));
  expect(backend.asked).toEqual([{ type: "quit" }]);
});

it("gives way to a folder that is dropped", async () => {
  const { backend } = await openSettings("empty");
  await backend.chooseFolder();
  const card = await screen.findByTestId("site-card");
  expect(within(card).getByTestId("copy-link")).toBeTruthy();
});
