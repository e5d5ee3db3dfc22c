import { defineConfig } from "vite";

/**
 * The page of the gateway that makes a browser tab a peer. What it makes is committed in
 * `crates/gateway/assets/publish`, so that the gateway builds without Node; `cargo xtask tab` writes
 * it, and `cargo xtask check window` fails when it is not what these sources make.
 */
export default defineConfig({
  // Where the gateway serves it.
  base: "/publish/",
  publicDir: false,
  build: {
    outDir: "../crates/gateway/assets/publish",
    emptyOutDir: true,
    target: ["es2022", "safari17"],
    // The policy forbids inline scripts, inline styles and data: addresses.
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: {
      input: "publish.html",
      output: {
        entryFileNames: "publish.js",
        assetFileNames: "publish[extname]",
        postBanner: "/*! Veranda. With lean-qr, copyright David Evans, MIT licence. */",
      },
    },
  },
});
