//! `cargo xtask run`.

use crate::{
    command,
    needs::Purpose,
    setup::{self, Consent},
    window,
    workspace::Workspace,
};

/// Builds the window and the app, and opens it.
///
/// # Errors
/// When something is missing or does not build, or when the app fails.
pub(crate) fn run(
    workspace: &Workspace,
    consent: Consent,
    release: bool,
    arguments: &[String],
) -> anyhow::Result<()> {
    setup::prepare(Purpose::Run, consent)?;
    window::build(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--package", "veranda"]);
    if release {
        cargo.arg("--release");
    }
    command::run(cargo.arg("--").args(arguments))
}
