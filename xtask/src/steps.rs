//! The steps of `test` and `check`, in the order in which they fail soonest.

use std::time::Instant;

use anyhow::Context as _;
use clap::ValueEnum;

use crate::{
    bindings, command,
    needs::Purpose,
    python,
    report::{self, Verdict},
    setup::{self, Consent},
    suite::Suite,
    tab, window,
    workspace::Workspace,
};

/// The version of cargo-deny that is installed where there is none.
const CARGO_DENY: &str = "^0.20";

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// cargo fmt.
    Format,
    /// The window, and the gateway's page for browser tabs: packages, lints, types, tests, build.
    Window,
    /// clippy, every target, no warning.
    Lints,
    /// rustdoc, private items too, no warning.
    Docs,
    /// Compiles all Rust tests, and the app that they open.
    Build,
    /// The window's types are what crates/desktop says.
    Bindings,
    /// The promises of ARCHITECTURE.md.
    Tidy,
    /// Tests of the crates, of the app's commands, of the testkit and of xtask.
    Unit,
    /// Inputs that once were trouble.
    Fuzz,
    /// Every carrier, with partners that are not ours.
    Conformance,
    /// A real Chromium opens session URLs.
    Browser,
    /// The real app in a desktop of its own.
    Desktop,
    /// The examples in the documentation.
    Examples,
    /// Licences and origins of everything that is linked in.
    Licences,
}

impl Step {
    /// What has to be green.
    pub(crate) const ALL: &[Self] = &[
        Self::Format,
        Self::Window,
        Self::Lints,
        Self::Docs,
        Self::Build,
        Self::Bindings,
        Self::Tidy,
        Self::Unit,
        Self::Fuzz,
        Self::Conformance,
        Self::Browser,
        Self::Desktop,
        Self::Examples,
        Self::Licences,
    ];

    /// What is quick.
    pub(crate) const QUICK: &[Self] = &[
        Self::Format,
        Self::Window,
        Self::Lints,
        Self::Docs,
        Self::Bindings,
        Self::Tidy,
        Self::Licences,
    ];

    /// Returns its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn needs_more_than_a_compiler(self) -> bool {
        match self {
            Self::Unit | Self::Conformance | Self::Browser | Self::Desktop => true,
            Self::Format
            | Self::Window
            | Self::Lints
            | Self::Docs
            | Self::Build
            | Self::Bindings
            | Self::Tidy
            | Self::Fuzz
            | Self::Examples
            | Self::Licences => false,
        }
    }

    fn is_possible_here(self) -> Result<(), &'static str> {
        if self == Self::Desktop && !cfg!(target_os = "linux") {
            return Err("the app's window can be driven on Linux only");
        }
        Ok(())
    }
}

/// Runs these steps and stops at the first that fails.
///
/// # Errors
/// When a step fails, with the command that repeats it.
pub(crate) fn run(
    workspace: &Workspace,
    consent: Consent,
    task: &str,
    steps: &[Step],
    arguments: &[String],
) -> anyhow::Result<()> {
    let mut times = Vec::new();
    let start = Instant::now();
    let opens_something = steps.iter().any(|step| step.needs_more_than_a_compiler());
    setup::prepare(if opens_something { Purpose::Test } else { Purpose::Run }, consent)?;
    times.push(("setup".to_owned(), start.elapsed(), Verdict::Passed));

    let mut suite = Suite::new(workspace, arguments);
    for &step in steps {
        let name = step.name();
        if let Err(why) = step.is_possible_here() {
            times.push((name, std::time::Duration::ZERO, Verdict::NotHere(why)));
            continue;
        }
        report::heading(&name);
        let start = Instant::now();
        let outcome = take(workspace, step, &mut suite);
        let verdict = if outcome.is_ok() { Verdict::Passed } else { Verdict::Failed };
        times.push((name.clone(), start.elapsed(), verdict));
        if outcome.is_err() {
            report::summary(&times);
        }
        outcome.with_context(|| {
            format!("The step {name} failed. To repeat it: cargo xtask {task} {name}\nWhy")
        })?;
    }
    report::summary(&times);
    Ok(())
}

fn take(workspace: &Workspace, step: Step, suite: &mut Suite<'_>) -> anyhow::Result<()> {
    match step {
        Step::Format => command::run(workspace.cargo().args(["fmt", "--all", "--check"])),
        Step::Window => window(workspace),
        Step::Lints => command::run(workspace.cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])),
        Step::Docs => command::run(workspace.cargo().env("RUSTDOCFLAGS", "-D warnings").args([
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])),
        Step::Build => suite.build(),
        Step::Bindings => command::run(&mut bindings::test(workspace)),
        Step::Tidy => command::run(
            workspace
                .cargo()
                .args(["test", "--workspace", "--test", "promises", "--"])
                .args(suite.arguments()),
        ),
        Step::Unit => suite.run_the_rest(),
        Step::Fuzz => suite.run(&["tests/fuzz"]),
        Step::Conformance => {
            let partners = workspace.root.join("tests/conformance/partners");
            if partners.join("package.json").exists() {
                window::install(&partners)?;
            }
            python::install(&partners)?;
            suite.run(&["tests/conformance"])
        }
        Step::Browser => suite.run(&["tests/browser"]),
        Step::Desktop => suite.run(&["tests/desktop"]),
        Step::Examples => command::run(workspace.cargo().args(["test", "--workspace", "--doc"])),
        Step::Licences => licences(workspace),
    }
}

fn window(workspace: &Workspace) -> anyhow::Result<()> {
    let ui = workspace.ui();
    window::install(&ui)?;
    for script in ["lint", "check", "test"] {
        command::run(command::npm(&ui).args(["run", script]))?;
    }
    tab::check(workspace)?;
    window::build(workspace)
}

fn licences(workspace: &Workspace) -> anyhow::Result<()> {
    let tools = workspace.target.join("tools");
    let installed = tools.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    let program = match command::find_program("cargo-deny") {
        Some(program) => program,
        None if installed.exists() => installed,
        None => {
            report::say("cargo-deny is not there; it is built once into the target folder");
            command::run(
                workspace
                    .cargo()
                    .args(["install", "cargo-deny", "--locked", "--debug", "--version", CARGO_DENY])
                    .arg("--root")
                    .arg(&tools),
            )?;
            installed
        }
    };
    // Not `advisories`: they come from another host, and change without anything changing here.
    command::run(
        std::process::Command::new(program)
            .current_dir(&workspace.root)
            .args(["check", "licenses", "bans", "sources"]),
    )
}
