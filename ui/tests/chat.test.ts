import { expect, it } from "vitest";
import { isSameAccount } from "../src/lib/chat";

it("an account is the same however it is written", () => {
  for (const typed of [
    "anna@chat.example",
    " xmpp:Anna@Chat.example ",
    "anna@chat.example/phone",
  ]) {
    expect(isSameAccount(typed, "anna@chat.example"), typed).toBe(true);
  }
  expect(isSameAccount("anna@chat.example.net", "anna@chat.example")).toBe(false);
});
