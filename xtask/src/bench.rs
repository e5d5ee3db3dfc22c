//! `cargo xtask bench`.

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
    command::run(
        workspace.cargo().args(["run", "--release", "--package", "bench", "--"]).args(arguments),
    )
}
