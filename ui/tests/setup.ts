import { beforeEach } from "vitest";
import { speak } from "../src/lib/words";

beforeEach(() => {
  speak("en");
  document.body.innerHTML = "";
});
