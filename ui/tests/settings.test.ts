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
    const request = { type: "useGateway", address: "https://gateway.example", account: null };
    expect(backend.asked).toEqual([request, request]);
    await waitFor(() => expect(screen.queryByTestId("use-gateway")).toBeNull());
  });

  it("is in use however the owner writes its address", async () => {
    const { user } = await openSettings();
    await user.click(screen.getByRole("radio", { name: "Another gateway" }));
    const field = screen.getByLabelText("Address of the gateway") as HTMLInputElement;
    for (const _ of ["first", "again"]) {
      await user.clear(field);
      await user.type(field, "gateway.example");
      await user.click(use());
      await waitFor(() => expect(screen.queryByTestId("use-gateway")).toBeNull());
      expect(field.value).toBe("https://gateway.example");
    }
  });

  it("becomes the one inside again", async () => {
    const { backend, user } = await openSettings("lost");
    await user.click(screen.getByRole("radio", { name: "On this computer" }));
    await user.click(use());
    expect(backend.asked).toEqual([{ type: "useGateway", address: null, account: null }]);
  });
});

describe("a gateway that is reached over a chat account", () => {
  const use = () => screen.getByRole("button", { name: "Use this gateway" });
  const test = () => screen.getByRole("button", { name: "Test connection" });
  const jid = () => screen.getByLabelText("Your XMPP address") as HTMLInputElement;
  const password = () => screen.getByLabelText("Password") as HTMLInputElement;
  const server = () => screen.getByLabelText(/^Server/) as HTMLInputElement;
  const marks = () =>
    [...document.querySelectorAll("[data-testid=account-test] li")].map(
      (item) => item.className.split(" ")[0],
    );

  async function pasteAddress(address: string) {
    const opened = await openSettings();
    await opened.user.click(screen.getByRole("radio", { name: "Another gateway" }));
    await opened.user.click(screen.getByLabelText("Address of the gateway"));
    await opened.user.paste(address);
    return opened;
  }

  it.each(["xmpp:gateway@chat.example", "gateway@chat.example", "XMPP:g"])(
    "asks for the account at %s",
    async (address) => {
      await pasteAddress(address);
      expect(jid()).toBeTruthy();
      expect(password().type).toBe("password");
    },
  );

  it.each(["https://gateway.example", "https://me@gateway.example", "gateway.example"])(
    "asks for none at %s",
    async (address) => {
      await pasteAddress(address);
      expect(screen.queryByLabelText("Your XMPP address")).toBeNull();
    },
  );

  it("says what is missing, and goes there", async () => {
    const { backend, user } = await pasteAddress("gateway@chat.example");
    await user.click(test());
    expect(screen.getByText("Type your XMPP address first.")).toBeTruthy();
    await waitFor(() => expect(document.activeElement).toBe(jid()));
    await user.paste("anna@chat.example");
    await user.click(use());
    expect(screen.getByText("Type the password of your XMPP account.")).toBeTruthy();
    await waitFor(() => expect(document.activeElement).toBe(password()));
    expect(backend.asked).toEqual([]);
  });

  it("is tested step by step, and used", async () => {
    const { backend, user } = await pasteAddress(" gateway@chat.example?invite=s3cret ");
    await user.type(jid(), "anna@chat.example");
    await user.type(password(), "wrong");
    backend.testState = {
      type: "failed",
      step: "password",
      trouble: "password",
      sentence: "Not shown.",
    };
    await user.click(test());
    const account = { jid: "anna@chat.example", password: "wrong", server: null };
    const gateway = "gateway@chat.example?invite=s3cret";
    expect(backend.asked.at(-1)).toEqual({ type: "testAccount", account, gateway });
    expect(marks()).toEqual(["done", "done", "failed", "waiting", "waiting"]);
    const result = screen.getByTestId("account-result");
    expect(result.textContent).toContain(
      "chat.example says that the name or the password is wrong",
    );
    await waitFor(() => expect(screen.getByTestId("said").textContent).toBe(result.textContent));

    // Whoever types goes on from there.
    await user.type(password(), "{Backspace}r");
    expect(screen.queryByTestId("account-test")).toBeNull();
    await user.type(server(), "xmpp.chat.example");
    await user.click(use());
    expect(backend.asked.at(-1)).toEqual({
      type: "useGateway",
      address: gateway,
      account: { ...account, password: "wronr", server: "xmpp.chat.example" },
    });
    await waitFor(() => expect(screen.queryByTestId("use-gateway")).toBeNull());
    expect(password().value).toBe("");
    expect(screen.getByTestId("account-result").textContent).toBe("Everything works.");
    expect(document.body.textContent).not.toContain("wronr");
  });

  it("is in use however the owner writes account and server", async () => {
    const { user } = await pasteAddress("gateway@chat.example");
    await user.type(jid(), "xmpp:Anna@Chat.Example");
    await user.type(password(), "right");
    await user.type(server(), "xmpp.chat.example");
    await user.click(screen.getByLabelText("Show the password"));
    await user.click(use());
    await waitFor(() => expect(screen.queryByTestId("use-gateway")).toBeNull());
    expect(jid().value).toBe("anna@chat.example");
    expect(server().value).toBe("xmpp.chat.example:5222");
    // The next password is not shown to who looks over the shoulder.
    expect(password().type).toBe("password");

    // Another case is the same account, so its password is known.
    await user.clear(jid());
    await user.type(jid(), "Anna@chat.example");
    expect(screen.queryByTestId("use-gateway")).toBeNull();
    expect(screen.getByText(/Leave it empty/)).toBeTruthy();
  });

  it("shows and reads out nothing old while a new test begins", async () => {
    const { backend, user } = await openSettings("chatWrongPassword");
    await user.type(password(), "right");
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const ask = backend.ask.bind(backend);
    backend.ask = async (request) => {
      await begun;
      return ask(request);
    };
    backend.testState = { type: "works" };
    await user.click(test());
    expect(screen.queryByTestId("account-test")).toBeNull();
    begin();
    const result = await screen.findByTestId("account-result");
    expect(result.textContent).toBe("Everything works.");
  });

  it("keeps no password in the form when the account is forgotten", async () => {
    const { user } = await openSettings("chat");
    await user.type(password(), "secret");
    await user.click(screen.getByTestId("forget-account"));
    await user.click(screen.getByTestId("confirm-forget-account"));
    await waitFor(() => expect(screen.queryByTestId("known-account")).toBeNull());
    await user.click(screen.getByRole("radio", { name: "Another gateway" }));
    expect(password().value).toBe("");
  });

  it("is not used when it does not work, and the test says why", async () => {
    const { backend, user } = await pasteAddress("gateway@chat.example");
    await user.type(jid(), "anna@chat.example");
    await user.type(password(), "right");
    backend.show({
      accountTest: {
        jid: "anna@chat.example",
        gateway: "xmpp:gateway@chat.example",
        state: {
          type: "failed",
          step: "admission",
          trouble: "notAdmitted",
          sentence: "Ask for an invitation.",
        },
      },
    });
    backend.refuseWith = { code: "accountFailed", sentence: "The same again." };
    await user.click(use());
    expect(screen.getByTestId("account-result").textContent).toBe("Ask for an invitation.");
    expect(screen.queryByText("The same again.")).toBeNull();
    expect(marks()).toEqual(["done", "done", "done", "done", "failed"]);
    expect(use()).toBeTruthy();
  });

  it("says which field is wrong", async () => {
    const { backend, user } = await pasteAddress("gateway@chat.example");
    await user.type(jid(), "anna@chat.example");
    await user.type(password(), "right");
    await user.type(server(), "a b");
    backend.refuseWith = { code: "badServer", sentence: "That is no server." };
    await user.click(test());
    expect(screen.getByText("That is no server.")).toBeTruthy();
    await waitFor(() => expect(document.activeElement).toBe(server()));
    expect(screen.queryByTestId("account-test")).toBeNull();
  });

  it("needs no password that is kept", async () => {
    const { backend, user } = await openSettings("chat");
    expect(screen.queryByTestId("use-gateway")).toBeNull();
    await user.click(test());
    expect(backend.asked.at(-1)).toEqual({
      type: "testAccount",
      account: { jid: "anna@chat.example", password: null, server: null },
      gateway: "xmpp:gateway@chat.example",
    });
  });

  it("wants a password again that is not kept any more", async () => {
    const { backend, user } = await openSettings("chatPasswordLost");
    expect(screen.getByText(/does not have the password/)).toBeTruthy();
    await user.click(use());
    expect(backend.asked).toEqual([]);
    await user.type(password(), "right");
    await user.click(use());
    expect(backend.asked).toHaveLength(1);
  });

  it("is left when the account is forgotten", async () => {
    const { backend, user } = await openSettings("chat");
    await user.click(screen.getByTestId("forget-account"));
    expect(screen.getByText(/goes back to the gateway on this computer/)).toBeTruthy();
    expect(document.activeElement).toBe(screen.getByRole("button", { name: "Keep" }));
    await user.keyboard("{Escape}");
    await waitFor(() => {
      expect(document.activeElement).toBe(screen.getByTestId("forget-account"));
    });
    await user.click(screen.getByTestId("forget-account"));
    await user.click(screen.getByTestId("confirm-forget-account"));
    expect(backend.asked).toEqual([{ type: "forgetAccount" }]);
    await waitFor(() => expect(screen.queryByTestId("known-account")).toBeNull());
    const inside = screen.getByRole("radio", { name: "On this computer" });
    expect((inside as HTMLInputElement).checked).toBe(true);
  });
});

it("quits", async () => {
  const { backend, user } = await openSettings();
  await user.click(screen.getByRole("button", { name: "Quit Veranda" }));
  expect(backend.asked).toEqual([{ type: "quit" }]);
});

it("gives way to a folder that is dropped", async () => {
  const { backend } = await openSettings("empty");
  await backend.ask({ type: "chooseFolder" });
  const card = await screen.findByTestId("site-card");
  expect(within(card).getByTestId("copy-link")).toBeTruthy();
});
