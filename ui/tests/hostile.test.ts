import { screen } from "@testing-library/svelte";
import { expect, it } from "vitest";
import { HOSTILE } from "../src/pretend/scenes";
import { open } from "./open";

it("shows text of strangers as text", async () => {
  open("hostile");
  await screen.findAllByTestId("transfer");
  expect(document.querySelector("script, img, [onerror]")).toBeNull();
  expect(screen.getAllByText(HOSTILE.markup).length).toBeGreaterThan(3);
});

it("lets no name turn the text around it", async () => {
  open("hostile");
  await screen.findAllByTestId("transfer");
  for (const character of ["\u202e", "\u2066", "\u0007"]) {
    expect(document.body.innerHTML).not.toContain(character);
  }
  // A fence is only ever closed where it was opened.
  for (const text of document.body.innerHTML.split(/["<>]/)) {
    expect([...text.matchAll(/\u2068/g)].length).toBe([...text.matchAll(/\u2069/g)].length);
  }
  for (const name of screen.getAllByText(/holiday/)) {
    expect(name.closest("bdi, .name, [title], [aria-label]")).toBeTruthy();
  }
});

it("keeps a long name whole for those who need all of it", async () => {
  open("hostile");
  const rows = await screen.findAllByTestId("transfer");
  expect(rows[2]?.textContent).toContain(HOSTILE.long);
  expect(rows[2]?.querySelector("[title]")?.getAttribute("title")).toBe(HOSTILE.long);
});

it("shows a path piece by piece and loses nothing", async () => {
  open("hostile");
  const card = (await screen.findAllByTestId("site-card"))[2];
  expect(card?.textContent).toContain(`/home/דנה/תמונות/${HOSTILE.hebrew}`);
});
