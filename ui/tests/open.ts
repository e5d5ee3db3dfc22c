import { render } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { vi } from "vitest";
import App from "../src/App.svelte";
import type { View } from "../src/generated/bindings";
import { Pretend } from "../src/pretend/backend";
import { SCENES } from "../src/pretend/scenes";

/** Opens the window in a scene, with differences; clocks that are faked are moved by `user` too. */
export function open(scene: string, differences: Partial<View> = {}, advance = false) {
  const make = SCENES[scene];
  if (!make) {
    throw new Error(`There is no scene "${scene}"`);
  }
  const backend = new Pretend({ ...make(Date.now()), ...differences });
  const user = userEvent.setup(
    advance ? { advanceTimers: (time) => void vi.advanceTimersByTime(time) } : {},
  );
  return { backend, user, ...render(App, { props: { backend } }) };
}
