import { Channel, invoke } from "@tauri-apps/api/core";
import type { Problem, Request, View } from "../generated/bindings";
import { t } from "./words";

/** Everything that the window needs from outside itself. */
export interface Backend {
  /** Asks for something; rejects with a [`Problem`]. What changed arrives as a view. */
  ask(request: Request): Promise<void>;
  /** Passes every view on, beginning with the present one. */
  watch(listener: (view: View) => void): Promise<void>;
}

/** Returns the backend of the app. */
export function app(): Backend {
  return {
    ask: (request) => invoke("ask", { request }),
    watch(listener) {
      const channel = new Channel<View>();
      channel.onmessage = listener;
      return invoke("watch", { channel });
    },
  };
}

/** Returns what a backend rejected with as a problem, whatever it was. */
export function asProblem(reason: unknown): Problem {
  if (typeof reason === "object" && reason !== null && "code" in reason && "sentence" in reason) {
    return reason as Problem;
  }
  // Not from the app itself (a broken bridge), so the text is not for people.
  console.error(reason);
  return { code: "internal", sentence: t("app.noAnswer") };
}
