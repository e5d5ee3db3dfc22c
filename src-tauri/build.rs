//! Embeds the window's files and says which commands it may call.

use std::{error::Error, fs, path::Path};

use tauri_build::{AppManifest, Attributes};

/// Every command of ours. Each needs its line in `capabilities/main.json`, too.
const COMMANDS: &[&str] = &["ask", "watch"];

/// Stands in for a window that was not built, so that checks and tests of Rust need no Node.
const PLACEHOLDER: &str = "<!doctype html><title>The window was not built</title>\
    <p>The window was not built: <code>cargo xtask run</code> does it.";

fn main() -> Result<(), Box<dyn Error>> {
    let page = Path::new("../ui/dist/index.html");
    if !page.exists() {
        fs::create_dir_all("../ui/dist")?;
        fs::write(page, PLACEHOLDER)?;
    }
    if fs::read_to_string(page)? == PLACEHOLDER {
        println!("cargo:warning=ui/dist was not built: the window only says so");
    }
    // A window that is built anew is embedded by the next build of the app.
    println!("cargo:rerun-if-changed=../ui/dist");
    tauri_build::try_build(Attributes::new().app_manifest(AppManifest::new().commands(COMMANDS)))?;
    Ok(())
}
