//! The Rust tests: compiled once, all together, then run step by step.
//!
//! `cargo test --package` would resolve features for that package alone and compile much of the
//! workspace again, so cargo is asked once for everything and tells where the programs are.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{report, window, workspace::Workspace};

/// Folders whose tests are steps of their own.
const OWN_STEPS: &[&str] =
    &["tests/tidy", "tests/fuzz", "tests/conformance", "tests/browser", "tests/desktop"];

/// All test programs of the workspace.
pub(crate) struct Suite<'a> {
    workspace: &'a Workspace,
    arguments: &'a [String],
    programs: Option<Vec<Program>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Program {
    /// Where its sources are, from the root, with slashes.
    source: String,
    /// The folder of its package.
    package: PathBuf,
    /// The program.
    executable: PathBuf,
}

impl<'a> Suite<'a> {
    /// Describes the suite; nothing is compiled yet. The arguments go to every program that runs.
    pub(crate) fn new(workspace: &'a Workspace, arguments: &'a [String]) -> Self {
        Self { workspace, arguments, programs: None }
    }

    /// Returns what every test program is given.
    pub(crate) fn arguments(&self) -> &[String] {
        self.arguments
    }

    /// Compiles all tests, unless that was done.
    ///
    /// # Errors
    /// When something does not compile.
    pub(crate) fn build(&mut self) -> anyhow::Result<()> {
        if self.programs.is_some() {
            return Ok(());
        }
        window::build(self.workspace)?;
        let mut cargo = self.workspace.cargo();
        cargo.args(["test", "--workspace", "--no-run"]);
        cargo.arg("--message-format=json-render-diagnostics");
        report::say("$ cargo test --workspace --no-run");
        let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
        let output = child.stdout.take().context("cargo has no output")?;
        let mut programs = Vec::new();
        for line in BufReader::new(output).lines() {
            programs.extend(read_program(&line?, &self.workspace.root));
        }
        if !child.wait()?.success() {
            bail!("the tests do not compile");
        }
        programs.sort_by(|one, other| one.source.cmp(&other.source));
        self.programs = Some(programs);
        Ok(())
    }

    /// Runs the programs whose sources are below these folders.
    ///
    /// # Errors
    /// When one of them fails, or when there is none.
    pub(crate) fn run(&mut self, folders: &[&str]) -> anyhow::Result<()> {
        self.run_where(|source| folders.iter().any(|folder| is_below(source, folder)))
    }

    /// Runs the programs that belong to no other step.
    ///
    /// # Errors
    /// When one of them fails.
    pub(crate) fn run_the_rest(&mut self) -> anyhow::Result<()> {
        self.run_where(|source| !OWN_STEPS.iter().any(|folder| is_below(source, folder)))
    }

    fn run_where(&mut self, chosen: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        self.build()?;
        let programs = self.programs.as_deref().unwrap_or_default();
        let chosen: Vec<_> = programs.iter().filter(|program| chosen(&program.source)).collect();
        if chosen.is_empty() {
            bail!("there is no test program for this step");
        }
        for program in chosen {
            report::say(&format!("--- {}", program.source));
            // As cargo would start it.
            let status = Command::new(&program.executable)
                .args(self.arguments)
                .current_dir(&program.package)
                .env("CARGO_MANIFEST_DIR", &program.package)
                // The frames of a panic are those of the runtime and the test runner, and bury the
                // reason; errors keep theirs, from which `testkit::failing` picks ours.
                .env("RUST_BACKTRACE", "0")
                .env("RUST_LIB_BACKTRACE", "1")
                .status()
                .with_context(|| format!("cannot start the tests of {}", program.source))?;
            if !status.success() {
                bail!("tests of {} failed ({status})", program.source);
            }
        }
        Ok(())
    }
}

fn is_below(source: &str, folder: &str) -> bool {
    source.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Returns the test program that this line of cargo's tells of.
fn read_program(line: &str, root: &Path) -> Option<Program> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let executable = PathBuf::from(message["executable"].as_str()?);
    let package = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    // A path like `src-tauri/../tests/desktop/main.rs` counts where it leads.
    let source = Path::new(message["target"]["src_path"].as_str()?);
    let source = source.canonicalize().unwrap_or_else(|_| source.to_owned());
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let source = source.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/");
    Some(Program { source, package, executable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_test_programs_among_the_messages_of_cargo() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/w/src-tauri/Cargo.toml",
            "target":{"name":"desktop","src_path":"/w/tests/desktop/main.rs"},
            "profile":{"test":true},"executable":"/w/target/debug/deps/desktop-1"}"#;
        let program = read_program(line, Path::new("/w")).unwrap();
        assert_eq!(program.source, "tests/desktop/main.rs");
        assert_eq!(program.package, Path::new("/w/src-tauri"));
        assert_eq!(read_program(&line.replace("true", "false"), Path::new("/w")), None);
        assert_eq!(read_program("warning: not JSON", Path::new("/w")), None);
    }

    #[test]
    fn a_folder_is_not_its_namesake() {
        assert!(is_below("tests/fuzz/src/lib.rs", "tests/fuzz"));
        assert!(!is_below("tests/fuzzy/src/lib.rs", "tests/fuzz"));
    }
}
