import { mount } from "svelte";
import App from "./App.svelte";
import { app } from "./lib/backend";
import { isLanguage, speak } from "./lib/words";
import "./styles/tokens.css";
import "./styles/base.css";

const target = document.getElementById("app");
if (!target) {
  throw new Error("index.html has no place for the window");
}
// What the app speaks, so that the window can say that it starts before the first view tells it.
const language = new URLSearchParams(location.search).get("language");
if (isLanguage(language)) {
  speak(language);
}
mount(App, { target, props: { backend: app() } });
