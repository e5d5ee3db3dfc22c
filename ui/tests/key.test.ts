import { screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { open } from "./open";

const first = () => screen.getByLabelText("Passphrase");
const second = () => screen.getByLabelText("Passphrase again");
const create = () => screen.getByRole("button", { name: "Keep the key in an encrypted file" });

describe("without a keychain", () => {
  it("says so and takes a passphrase, typed twice, by keyboard", async () => {
    const { backend, user } = open("noKeychain");
    expect(await screen.findByRole("heading", { level: 1, name: "Protect your key" })).toBeTruthy();
    expect(screen.getByText(/This computer has no keychain/)).toBeTruthy();
    expect(screen.getByTestId("needs-key")).toBe(screen.getByRole("main"));
    expect(document.activeElement).toBe(first());
    await user.keyboard("long enough{Tab}long enough{Enter}");
    expect(backend.asked).toEqual([{ type: "createKeyFile", passphrase: "long enough" }]);
    expect(screen.getByTestId("add-folder")).toBeTruthy();
  });

  it("refuses a short one at its field", async () => {
    const { backend, user } = open("noKeychain");
    await user.type(first(), "short{Enter}");
    expect(screen.getByText("Use at least 8 characters.")).toBeTruthy();
    expect(first().getAttribute("aria-invalid")).toBe("true");
    expect(document.activeElement).toBe(first());
    expect(backend.asked).toEqual([]);
  });

  it("refuses two that differ at the second field", async () => {
    const { backend, user } = open("noKeychain");
    await user.type(first(), "long enough");
    await user.type(second(), "long enoug");
    await user.click(create());
    expect(screen.getByText(/The two passphrases differ/)).toBeTruthy();
    expect(second().getAttribute("aria-invalid")).toBe("true");
    expect(document.activeElement).toBe(second());
    expect(backend.asked).toEqual([]);
  });

  it("shows at the field what the app says", async () => {
    const { backend, user } = open("noKeychain");
    backend.refuseWith = { code: "internal", sentence: "The disk is full. Make room." };
    await user.keyboard("long enough{Tab}long enough{Enter}");
    expect(screen.getByText("The disk is full. Make room.")).toBeTruthy();
    expect(screen.queryByTestId("problem")).toBeNull();
  });

  it("hides what is typed unless asked to show it", async () => {
    const { user } = open("noKeychain");
    expect(first().getAttribute("type")).toBe("password");
    await user.click(screen.getByRole("checkbox", { name: "Show the passphrase" }));
    expect(first().getAttribute("type")).toBe("text");
    expect(second().getAttribute("type")).toBe("text");
  });
});

describe("with a locked keychain", () => {
  it("tries again", async () => {
    const { backend, user } = open("keychainLocked");
    expect(await screen.findByRole("heading", { name: "The keychain is locked" })).toBeTruthy();
    expect(screen.queryByRole("textbox")).toBeNull();
    backend.refuseWith = { code: "internal", sentence: "It is still locked." };
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(screen.getByRole("alert").textContent).toBe("It is still locked.");
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(backend.asked).toEqual([{ type: "retry" }, { type: "retry" }]);
    expect(screen.getByTestId("add-folder")).toBeTruthy();
  });
});

describe("with a locked file", () => {
  it("opens it", async () => {
    const { backend, user } = open("fileLocked");
    expect(await screen.findByRole("heading", { name: "Unlock your key" })).toBeTruthy();
    expect(screen.queryByLabelText("Passphrase again")).toBeNull();
    await user.keyboard("{Enter}");
    expect(screen.getByText("Type your passphrase.")).toBeTruthy();
    backend.refuseWith = { code: "passphrase", sentence: "That is not the passphrase." };
    await user.keyboard("wrong{Enter}");
    expect(screen.getByText("That is not the passphrase.")).toBeTruthy();
    expect(document.activeElement).toBe(first());
    await user.keyboard("{Enter}");
    expect(backend.asked).toEqual([
      { type: "unlockKeyFile", passphrase: "wrong" },
      { type: "unlockKeyFile", passphrase: "wrong" },
    ]);
    expect(screen.getByTestId("add-folder")).toBeTruthy();
  });

  it("forgets what was typed when the trouble becomes another", async () => {
    const { backend, user } = open("fileLocked");
    await user.type(first(), "secret");
    backend.show({
      phase: { type: "needsKey", trouble: "noKeychain", sentence: "The file is gone." },
    });
    expect(await screen.findByText("The file is gone.")).toBeTruthy();
    expect((first() as HTMLInputElement).value).toBe("");
  });
});

it("says why the app cannot start, and tries again", async () => {
  const { backend, user } = open("failed");
  expect(await screen.findByRole("heading", { name: "Veranda cannot start" })).toBeTruthy();
  expect(screen.getByText(/cannot be written/)).toBeTruthy();
  await user.keyboard("{Enter}");
  expect(backend.asked).toEqual([{ type: "retry" }]);
  expect(screen.getByTestId("add-folder")).toBeTruthy();
});
