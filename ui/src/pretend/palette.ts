// The development page. Without a query it lists every scene, each in a frame of its own; with
// `?scene=busy` it is the window in that scene. `locale`, `dir` and
// `play` change how.
import { mount } from "svelte";
import App from "../App.svelte";
import { speak } from "../lib/words";
import { Pretend } from "./backend";
import PaletteIndex from "./PaletteIndex.svelte";
import { SCENES } from "./scenes";
import "../styles/tokens.css";
import "../styles/base.css";

const target = document.getElementById("app");
if (!target) {
  throw new Error("palette.html has no place for the window");
}
const query = new URLSearchParams(location.search);
const scene = SCENES[query.get("scene") ?? ""];
speak([query.get("locale") ?? "en"]);
if (query.get("dir")) {
  document.documentElement.dir = query.get("dir") ?? "";
}
if (scene) {
  const backend = new Pretend(scene(Date.now()));
  Object.assign(window, { backend });
  mount(App, { target, props: { backend } });
  if (query.has("play")) {
    backend.play();
  }
} else {
  mount(PaletteIndex, { target, props: { scenes: Object.keys(SCENES) } });
}
