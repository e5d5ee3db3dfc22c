//! Other programs that a test starts, and that end with it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, bail};

/// How much of a log is shown when something goes wrong.
const SHOWN_LOG: usize = 4000;

/// A program that runs. Dropping it kills it and, on Unix, whatever it started.
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program; what it writes goes to `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let output =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null());
        Self::start_with(name, command.stdout(output.try_clone()?).stderr(output), log)
    }

    /// Starts a program that watches its standard input, and ends when that ends: when it is dropped, or
    /// when this process is gone, however it went.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_leashed(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let output =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::piped());
        Self::start_with(name, command.stdout(output.try_clone()?).stderr(output), log)
    }

    /// Lets go of the leash of a program from [`Self::start_leashed`].
    pub fn let_go(&mut self) {
        self.child.stdin = None;
    }

    /// Starts a program that reads this text, and nothing more.
    ///
    /// # Errors
    /// When it cannot be started or does not read.
    pub fn start_told(
        name: &str,
        command: &mut Command,
        text: &str,
        log: &Path,
    ) -> anyhow::Result<Self> {
        use std::io::Write as _;
        let output =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::piped());
        let mut running =
            Self::start_with(name, command.stdout(output.try_clone()?).stderr(output), log)?;
        running
            .child
            .stdin
            .take()
            .with_context(|| format!("{name} has no input"))?
            .write_all(text.as_bytes())?;
        Ok(running)
    }

    fn start_with(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        let child = command.spawn().with_context(|| {
            format!("cannot start {name}; `cargo xtask setup` installs what the tests need")
        })?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Fails when the program has ended, with the end of its log.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended early ({status}); it said:\n{}", self.name, self.log()),
        }
    }

    /// Returns the end of what the program wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let start = text.len().saturating_sub(SHOWN_LOG);
        String::from_utf8_lossy(&text[start..]).into_owned()
    }

    /// Returns the number that the system gave the program.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(group) =
            i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
        {
            // A group that is gone already is what we want.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end and returns what it wrote to standard output.
///
/// # Errors
/// When it cannot be started or does not succeed; then with what it wrote to standard error.
pub async fn output(command: Command) -> anyhow::Result<Vec<u8>> {
    let shown = format!("{command:?}");
    let output = tokio::process::Command::from(command)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        bail!("{shown} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}
