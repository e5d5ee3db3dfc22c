import { drawing } from "./dom";

/** The house with the open door, as in the app. */
export function scene() {
  return drawing(
    "0 0 160 104",
    "scene",
    ["M6 98h148", "ground"],
    ["M38 46h84v36H38z", "wall"],
    ["M68 52h24v30H68z", "door"],
    ["M46 54h13v13H46zM101 54h13v13h-13z", "window"],
    ["M18 46 80 12l62 34", "roof"],
    ["M30 44v38M130 44v38", "post"],
    ["M20 84h120", "deck"],
    ["M56 91h48", "step"],
  );
}

/** The mark of icons/source.svg. */
export function mark() {
  return drawing(
    "0 0 32 32",
    "mark",
    ["M8 1h16a7 7 0 0 1 7 7v16a7 7 0 0 1-7 7H8a7 7 0 0 1-7-7V8a7 7 0 0 1 7-7z", "tile"],
    ["M13 15.2h6v9h-6z", "door"],
    ["M5.2 13.8 16 5.8l10.8 8", "frame wide"],
    ["M8.6 15.6V24M23.4 15.6V24M6 24.4h20M10.5 27.8h11", "frame"],
  );
}
