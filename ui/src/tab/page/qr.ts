import { generate } from "lean-qr";
import { element } from "./dom";

/** Light modules around the code; readers need four (ISO/IEC 18004, 9.1). */
const QUIET_ZONE = 4;

/** Draws a link as a QR code: the dark modules row by row, neighbours as one box. */
export function qrCode(link: string): SVGElement {
  const code = generate(link);
  const size = code.size + 2 * QUIET_ZONE;
  let d = "";
  for (let y = 0; y < code.size; y += 1) {
    for (let x = 0; x < code.size; x += 1) {
      let run = 0;
      while (code.get(x + run, y)) {
        run += 1;
      }
      if (run > 0) {
        d += `M${x + QUIET_ZONE} ${y + QUIET_ZONE}h${run}v1h-${run}z`;
        x += run;
      }
    }
  }
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", d);
  for (const [name, value] of Object.entries({
    viewBox: `0 0 ${size} ${size}`,
    class: "qr",
    role: "img",
    "aria-label": link,
    "shape-rendering": "crispEdges",
  })) {
    svg.setAttribute(name, value);
  }
  svg.append(path);
  return svg;
}

/** Returns the dialog with the code of a link. */
export function qrDialog(link: string, title: string, hint: string, close: string) {
  const dialog = element("dialog", { "aria-labelledby": "qr-title", closedby: "any" });
  dialog.append(
    element(
      "div",
      { class: "inside" },
      element("h2", { id: "qr-title", class: "name clamped" }, title),
      qrCode(link),
      element("p", { class: "quiet" }, hint),
      element("p", { class: "url small", dir: "ltr" }, link),
      element("button", { type: "button", class: "button", onclick: () => dialog.close() }, close),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  return dialog;
}
