import { clearMocks, mockIPC } from "@tauri-apps/api/mocks";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { View } from "../src/generated/bindings";
import { app, asProblem } from "../src/lib/backend";
import { view } from "../src/pretend/scenes";

afterEach(clearMocks);

describe("the backend of the app", () => {
  it("asks", async () => {
    const calls: unknown[] = [];
    mockIPC((command, payload) => {
      calls.push([command, payload]);
    });
    await app().ask({ type: "copyLink", site: "photos" });
    await app().ask({ type: "chooseFolder" });
    expect(calls).toEqual([
      ["ask", { request: { type: "copyLink", site: "photos" } }],
      ["ask", { request: { type: "chooseFolder" } }],
    ]);
  });

  it("passes on why it was refused", async () => {
    const problem = { code: "folderUnusable", sentence: "The folder is not there." };
    mockIPC(() => {
      throw problem;
    });
    await expect(app().ask({ type: "retry" })).rejects.toEqual(problem);
  });

  it("streams views", async () => {
    const sent = view(0, { paused: true });
    mockIPC((command, payload) => {
      expect(command).toBe("watch");
      const { channel } = payload as { channel: { onmessage: (view: View) => void } };
      channel.onmessage(sent);
    });
    const shown = vi.fn();
    await app().watch(shown);
    expect(shown).toHaveBeenCalledWith(sent);
  });
});

it("keeps a problem as it is and makes one of anything else", () => {
  const problem = { code: "badName", sentence: "Choose another name." };
  expect(asProblem(problem)).toBe(problem);
  vi.spyOn(console, "error").mockReturnValue();
  for (const reason of ["no such command", null, undefined, {}, new Error("x")]) {
    expect(asProblem(reason).code).toBe("internal");
    expect(asProblem(reason).sentence).toContain("Try again");
  }
});
