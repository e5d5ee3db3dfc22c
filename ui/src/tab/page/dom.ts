import { hasRightToLeft } from "../../lib/printable";

type Child = Node | string | undefined | false;

/** Attributes; `on…` are listeners, `true` is an attribute without a value, `false` none. */
export interface Attributes {
  readonly [name: string]: string | number | boolean | undefined | ((event: Event) => void);
}

/** Makes an element. Text becomes text: nothing of it is read as markup. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  dress(made, attributes);
  made.append(...children.filter((child) => child !== undefined && child !== false));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Makes a drawing of paths. */
export function drawing(viewBox: string, name: string, ...paths: readonly [string, string?][]) {
  const svg = document.createElementNS(SVG, "svg");
  dress(svg, { viewBox, class: name, "aria-hidden": "true", focusable: "false" });
  for (const [d, of] of paths) {
    const path = document.createElementNS(SVG, "path");
    dress(path, { d, class: of });
    svg.append(path);
  }
  return svg;
}

/** Puts other children into a place. */
export function fill(place: Element, ...children: Child[]) {
  place.replaceChildren(...children.filter((child) => child !== undefined && child !== false));
}

/** Changes a text only when it differs, so that nothing is read out twice. */
export function say(place: Element, text: string) {
  if (place.textContent !== text) {
    place.textContent = text;
  }
}

function dress(made: Element, attributes: Attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      made.addEventListener(name.slice(2), value);
    } else if (value === true) {
      made.setAttribute(name, "");
    } else if (value !== undefined && value !== false) {
      made.setAttribute(name, String(value));
    }
  }
}

/** Returns a name on one line; when it is too long, its middle gives way. */
export function nameLine(shown: string): HTMLElement {
  const letters = [...shown];
  // Both halves of what runs from right to left would be put in order alone.
  const isLong = letters.length > 24 && !hasRightToLeft(shown);
  const head = isLong ? letters.slice(0, -12).join("") : shown;
  return element(
    "bdi",
    { class: "name-line", title: shown },
    element("span", { class: "head" }, head),
    isLong && element("span", { class: "tail" }, letters.slice(-12).join("")),
  );
}
