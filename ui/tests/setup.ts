import { configure } from "@testing-library/svelte";
import { beforeEach } from "vitest";
import { speak } from "../src/lib/words";
import { PATIENCE } from "./patience";

configure({ asyncUtilTimeout: PATIENCE });

beforeEach(() => {
  speak("en");
  document.body.innerHTML = "";
});
