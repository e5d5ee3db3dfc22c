//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::command;

/// The folders of this checkout.
pub(crate) struct Workspace {
    /// The folder with the root Cargo.toml.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// Finds the checkout that this program was built from.
    ///
    /// # Errors
    /// When cargo cannot describe it.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask is not in a workspace")?
            .to_owned();
        let described = command::answer(
            command::cargo()
                .args(["metadata", "--no-deps", "--format-version", "1"])
                .current_dir(&root),
        )?
        .context("cargo cannot read the workspace; `cargo metadata` says why")?;
        let described: serde_json::Value = serde_json::from_str(&described)?;
        let target = described["target_directory"].as_str().context("no target directory")?;
        Ok(Self { target: PathBuf::from(target), root })
    }

    /// Returns the folder of the window's sources.
    pub(crate) fn ui(&self) -> PathBuf {
        self.root.join("ui")
    }

    /// Returns a cargo that works in the root folder.
    pub(crate) fn cargo(&self) -> std::process::Command {
        let mut cargo = command::cargo();
        cargo.current_dir(&self.root);
        cargo
    }
}
