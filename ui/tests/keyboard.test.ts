import { screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { SCENES } from "../src/pretend/scenes";
import { open } from "./open";

/** Everything that can be used by pointing. */
const USABLE = "button, a, input, [role=switch], [onclick]";

// "many" is "busy" a hundred times: nothing new, and minutes of tabbing.
const scenes = Object.keys(SCENES).filter((scene) => scene !== "many");

describe.each(scenes)("by keyboard, in %s", (scene) => {
  it("everything can be reached", async () => {
    const { user, container } = open(scene);
    await screen.findByRole("main");
    const usable = [...container.querySelectorAll<HTMLElement>(USABLE)].filter(
      (element) => !element.closest("[hidden]"),
    );
    const reached = new Set<Element | null>([document.activeElement]);
    for (let count = 0; count <= usable.length; count += 1) {
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
    "addFolder",
    "copyLink",
    "setSiteOn",
    "removeSite",
  ]);
  expect(await screen.findByRole("button", { name: "Choose a folder to publish" })).toBe(
    document.activeElement,
  );
});
