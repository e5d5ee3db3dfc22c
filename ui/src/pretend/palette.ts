// The development page. Without a query it lists every scene, each in a frame of its own; with
// `?scene=busy` it is the window in that scene. `locale`, `dir` and
// `play` change how; `click=open-settings,test-account` goes on from there.
import { mount, tick } from "svelte";
import App from "../App.svelte";
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
const language = query.get("locale") === "de" ? "de" : "en";
if (query.get("dir")) {
  document.documentElement.dir = query.get("dir") ?? "";
}
if (scene) {
  const backend = new Pretend({ ...scene(Date.now()), language });
  Object.assign(window, { backend });
  mount(App, { target, props: { backend } });
  for (const testid of query.get("click")?.split(",") ?? []) {
    await tick();
    document.querySelector<HTMLElement>(`[data-testid="${testid}"]`)?.click();
  }
  if (query.has("play")) {
    backend.play();
  }
} else {
  mount(PaletteIndex, { target, props: { scenes: Object.keys(SCENES) } });
}
