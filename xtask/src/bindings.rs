//! `cargo xtask bindings`.

use std::process::Command;

use crate::{command, report, workspace::Workspace};

/// Writes `ui/src/generated` from `crates/desktop`.
///
/// # Errors
/// When it does not build.
pub(crate) fn write(workspace: &Workspace) -> anyhow::Result<()> {
    // The test that finds them stale writes them, and fails to make that known.
    if command::run(&mut test(workspace)).is_err() {
        report::say("Once more: a stale file is written by the test that finds it");
        command::run(&mut test(workspace))?;
    }
    report::say("ui/src/generated is what crates/desktop says");
    Ok(())
}

/// Returns the command that fails when they are stale. The selection of packages is that of all
/// other steps, so that nothing is compiled twice with other features.
pub(crate) fn test(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--test", "bindings", "export_bindings"]);
    cargo
}
