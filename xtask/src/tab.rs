//! `cargo xtask tab`: the gateway's page that makes a browser tab a peer.
//!
//! Its sources are in `ui/src/tab`; what they make is committed, so that the gateway builds without
//! Node.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, ensure};

use crate::{command, report, window, workspace::Workspace};

/// Where the gateway takes the page from.
const COMMITTED: &str = "crates/gateway/assets/publish";

/// Builds the page into the gateway's sources.
///
/// # Errors
/// When npm or vite fails.
pub(crate) fn write(workspace: &Workspace) -> anyhow::Result<()> {
    build(workspace, &workspace.root.join(COMMITTED))?;
    report::say(&format!("{COMMITTED} is what ui/src/tab says"));
    Ok(())
}

/// Builds the page elsewhere and compares: the same sources and packages make the same bytes.
///
/// # Errors
/// When what is committed is another page.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let fresh = workspace.target.join("tab-page");
    build(workspace, &fresh)?;
    let (fresh, committed) = (contents(&fresh)?, contents(&workspace.root.join(COMMITTED))?);
    ensure!(
        fresh == committed,
        "{COMMITTED} is not what ui/src/tab says. To write it anew: cargo xtask tab"
    );
    Ok(())
}

fn build(workspace: &Workspace, into: &Path) -> anyhow::Result<()> {
    let ui = workspace.ui();
    window::install(&ui)?;
    let mut npm = command::npm(&ui);
    npm.args(["run", "build:tab", "--", "--logLevel", "warn", "--outDir"]).arg(into);
    command::run(&mut npm).context("the gateway's page does not build")
}

/// Returns what is in a folder, by name.
fn contents(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let cannot_read = || format!("cannot read {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot_read)?;
    entries
        .map(|entry| {
            let entry = entry.with_context(cannot_read)?;
            let content = fs::read(entry.path()).with_context(cannot_read)?;
            Ok((entry.file_name().to_string_lossy().into_owned(), content))
        })
        .collect()
}
