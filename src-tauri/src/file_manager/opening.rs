//! Opens a folder by the programs that desktops have for it. They look through the whole system for a file
//! manager, and some wait for its end.

use std::{
    process::{self, Stdio},
    time::Duration,
};

use anyhow::anyhow;
use tokio::{
    process::Command,
    time::{Instant, timeout_at},
};

/// How long all of them together may take to say that they cannot: as long as somebody waits who pressed a
/// button.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// How long one has to run at least before its silence says that it is the file manager itself, or waits for
/// it.
const SILENCE: Duration = Duration::from_secs(3);

/// Runs one after the other until one of them works, or still runs when `patience` is over.
///
/// # Errors
/// When none does.
pub(super) async fn open_by(
    programs: Vec<process::Command>,
    patience: Duration,
) -> anyhow::Result<()> {
    let end = Instant::now() + patience;
    let mut why = anyhow!("this system has no program that opens folders");
    for program in programs {
        let began = Instant::now();
        let mut program = Command::from(program);
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // What ends the app leaves the file manager alone.
        let Ok(mut running) = program.process_group(0).spawn() else { continue };
        match timeout_at(end, running.wait()).await {
            Ok(Ok(status)) if status.success() => return Ok(()),
            Ok(Ok(status)) => why = anyhow!("the program that opens folders ended with {status}"),
            Ok(Err(error)) => why = error.into(),
            Err(_) if began + SILENCE <= end => return Ok(()),
            Err(_) => return Err(why.context("it took too long")),
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than a test waits for.
    const LONG: Duration = Duration::from_secs(60);

    fn script(script: &str) -> process::Command {
        let mut command = process::Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Runs until this test has ended.
    fn silent() -> process::Command {
        let mut command = process::Command::new("tail");
        command.args([&format!("--pid={}", process::id()), "-f", "/dev/null"]);
        command
    }

    fn missing() -> process::Command {
        process::Command::new("/there is/no such program")
    }

    #[tokio::test]
    async fn the_first_that_works_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let marks = |name: &str| script(&format!("touch '{}'", place.path().join(name).display()));
        let programs = vec![missing(), script("exit 2"), marks("first"), marks("second")];
        open_by(programs, LONG).await.unwrap();
        assert!(place.path().join("first").exists() && !place.path().join("second").exists());
        open_by(vec![script("exit 2"), missing()], LONG).await.unwrap_err();
        open_by(vec![missing()], LONG).await.unwrap_err();
    }

    #[tokio::test]
    async fn all_share_one_patience() {
        // Whoever runs all the time is the file manager; whoever had hardly begun is not taken for it.
        open_by(vec![silent(), missing()], SILENCE * 2).await.unwrap();
        open_by(vec![silent(), silent()], SILENCE / 2).await.unwrap_err();
    }
}
