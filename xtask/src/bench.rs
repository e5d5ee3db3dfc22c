//! `cargo xtask bench`.

use std::{env, process::Command};

use crate::{
    command,
    needs::Purpose,
    setup::{self, Consent},
    workspace::Workspace,
};

/// Builds everything as it is shipped and runs the benchmark.
///
/// # Errors
/// When something is missing or does not build, or when the benchmark fails.
pub(crate) fn bench(
    workspace: &Workspace,
    consent: Consent,
    arguments: &[String],
) -> anyhow::Result<()> {
    setup::prepare(Purpose::Bench, consent)?;
    let packages = ["--package", "gateway", "--package", "peer", "--package", "bench"];
    command::run(workspace.cargo().args(["build", "--release"]).args(packages))?;
    // As it was just built: `cargo run` would choose features for one package, and build again.
    let program = format!("bench{}", env::consts::EXE_SUFFIX);
    let program = workspace.target.join("release").join(program);
    command::run(Command::new(program).current_dir(&workspace.root).args(arguments))
}
