import { screen, waitFor } from "@testing-library/svelte";
import axe from "axe-core";
import { describe, expect, it } from "vitest";
import { SCENES } from "../src/pretend/scenes";
import { open } from "./open";

/** How long one look may take on a machine that is busy with something else, in ms: it can be many seconds. */
const A_LOOK = 60_000;

/** Runs every rule that needs no layout; contrast and sizes are checked in a real browser. */
async function violations(): Promise<string[]> {
  const { violations } = await axe.run(document.body, {
    rules: { "color-contrast": { enabled: false }, "target-size": { enabled: false } },
  });
  return violations.map(
    ({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html }) => html).join("\n")}`,
  );
}

describe.each(Object.keys(SCENES))("the scene %s", (scene) => {
  it("breaks no rule of accessibility", async () => {
    open(scene);
    await screen.findByRole("main");
    expect(await violations()).toEqual([]);
  });
});

it.each([
  ["the settings", "lost", ["open-settings"]],
  ["the settings with a chat account", "chat", ["open-settings", "test-account"]],
  ["the question before forgetting an account", "chat", ["open-settings", "forget-account"]],
  ["a chat account without its password", "chatPasswordLost", ["open-settings"]],
  ["the details of a slow connection", "chatSlow", ["connection"]],
  ["the connection's details", "oneSite", ["connection"]],
  ["the options of a site", "oneSite", ["site-options"]],
  ["the question before removing", "oneSite", ["site-options", "remove-site"]],
  ["the question before ending a hand-over", "handOverFresh", ["end-hand-over"]],
  ["an answer to a note", "newNotes", ["site-notes"]],
  ["the QR code", "oneSite", ["show-qr"]],
])("%s: no rule is broken", async (_, scene, clicks) => {
  const { user } = open(scene);
  for (const testid of clicks) {
    await user.click((await screen.findAllByTestId(testid))[0] as HTMLElement);
  }
  await waitFor(async () => expect(await violations()).toEqual([]), { timeout: A_LOOK });
});
