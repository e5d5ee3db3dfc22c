import { screen, waitFor } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { SCENES } from "../src/pretend/scenes";
import { open } from "./open";

/** Everything that can be used by pointing. */
const USABLE = "button, a, input, select, textarea, [role=switch], [onclick]";

// These are others a hundred times: nothing new, and minutes of tabbing.
const scenes = Object.keys(SCENES).filter((scene) => !["many", "handOverMany"].includes(scene));

describe.each(scenes)("by keyboard, in %s", (scene) => {
  it("everything can be reached", async () => {
    const { user, container } = open(scene);
    await screen.findByRole("main");
    // Buttons that a stranger lets appear wait a moment.
    await waitFor(() => expect(container.querySelector(":disabled")).toBeNull());
    // Nothing behind an open dialog can be used.
    const front = document.querySelector("dialog[open]") ?? container;
    const usable = [...front.querySelectorAll<HTMLElement>(USABLE)].filter(
      (element) => !element.closest("[hidden]"),
    );
    const reached = new Set<Element | null>([document.activeElement]);
    // Here the focus leaves a dialog, which it does not in a browser.
    const steps = container.querySelectorAll(USABLE).length;
    for (let count = 0; count <= steps; count += 1) {
      await user.tab();
      reached.add(document.activeElement);
    }
    for (const element of usable) {
      expect(reached.has(element), element.outerHTML).toBe(true);
    }
  });
});

it("a folder is published, passed on and taken back without a mouse", async () => {
  const { backend, user } = open("empty");
  await user.keyboard("{Enter}");
  const until = async (testid: string) => {
    for (let count = 0; count < 30; count += 1) {
      if (document.activeElement?.getAttribute("data-testid") === testid) {
        return;
      }
      await user.tab();
    }
    throw new Error(`${testid} was not reached`);
  };
  await until("copy-link");
  await user.keyboard("{Enter}");
  await until("site-switch");
  await user.keyboard(" ");
  await until("site-options");
  await user.keyboard("{Enter}");
  await until("remove-site");
  await user.keyboard("{Enter}");
  await until("confirm-remove");
  await user.keyboard("{Enter}");
  expect(backend.asked.map(({ type }) => type)).toEqual([
    "chooseFolder",
    "copyLink",
    "setSiteOn",
    "removeSite",
  ]);
  expect(await screen.findByRole("button", { name: "Choose a folder to publish" })).toBe(
    document.activeElement,
  );
});
