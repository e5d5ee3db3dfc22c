import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), svelteTesting()],
  build: {
    // What every system's web view of the last years understands (WebKitGTK, WebView2, WKWebView).
    target: ["es2022", "safari16"],
    // The window's policy forbids inline scripts, inline styles and data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The palette is for development: `vite build --mode palette` makes it, the app never has it.
    rolldownOptions: { input: mode === "palette" ? "palette.html" : "index.html" },
  },
  test: {
    environment: "happy-dom",
    include: ["tests/**/*.test.ts"],
    setupFiles: ["tests/setup.ts"],
    restoreMocks: true,
    // Rendering is quick; a machine that builds something else at the same time is not.
    testTimeout: 120_000,
  },
}));
