import { element } from "./dom";
import { mark } from "./scene";

/** Returns a page with one thing to read and at most one thing to do. */
export function messagePage(
  id: string,
  title: string,
  sentences: readonly string[],
  action?: { readonly label: string; readonly act: () => void },
): HTMLElement {
  return element(
    "section",
    { class: "panel message", id, "aria-labelledby": `${id}-title`, role: "alert" },
    mark(),
    element("h2", { id: `${id}-title`, class: "big-title" }, title),
    ...sentences.map((sentence) => element("p", {}, sentence)),
    action &&
      element(
        "div",
        { class: "actions" },
        element(
          "button",
          { type: "button", class: "button main", onclick: action.act },
          action.label,
        ),
      ),
  );
}
