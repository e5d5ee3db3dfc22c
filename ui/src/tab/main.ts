import { App } from "./page/app";
import { speak } from "./words";

speak(navigator.languages);
const place = document.querySelector("#app");
if (place) {
  new App(place).begin();
}
