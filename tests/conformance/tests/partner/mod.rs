//! Programs beside a test, spoken with line by line.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context as _, Result};
use conformance::world::DEADLINE;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// The Python for which `cargo xtask` installs what the partners need.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// A program beside the test; ends with it.
pub(crate) struct Partner {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Partner {
    /// Starts a script of `partners/`.
    pub(crate) fn start(
        program: &str,
        script: &str,
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("partners");
        let mut child = Command::new(program)
            .arg(folder.join(script))
            // Letters are the same everywhere, and the sources stay as they are.
            .envs([("PYTHONIOENCODING", "utf-8"), ("PYTHONDONTWRITEBYTECODE", "1")])
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{program} does not start; cargo xtask setup installs it"))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        Ok(Self { _child: child, input, output })
    }

    /// Says a line to it.
    pub(crate) async fn say(&mut self, line: &str) -> Result<()> {
        self.input.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(self.input.flush().await?)
    }

    /// Waits for the next line of its output.
    pub(crate) async fn line(&mut self) -> Result<String> {
        let line =
            timeout(DEADLINE, self.output.next_line()).await.context("the partner is silent")??;
        line.context("the partner ended; its reason is on standard error")
    }
}
