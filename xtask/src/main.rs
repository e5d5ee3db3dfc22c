//! The one entry point: `cargo xtask run`, `test`, `check`, `bench`, on every system.

mod apt;
mod bench;
mod bindings;
mod command;
mod needs;
mod python;
mod report;
mod run;
mod setup;
mod steps;
mod suite;
mod tab;
mod window;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{needs::Purpose, steps::Step, workspace::Workspace};

/// Builds, runs and tests Veranda.
///
/// Needs a Rust toolchain and Node 20 or newer. On Debian and Ubuntu, the commands install whatever
/// else the system lacks (and say so first); elsewhere they name what is missing and stop.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// Install missing system packages without asking.
    #[arg(long, short, global = true)]
    yes: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the window and the app, and opens it.
    ///
    /// What stands after `--` goes to the app: `cargo xtask run -- ~/Pictures` publishes a folder.
    Run {
        /// Build what is shipped: slower to build, faster to run.
        #[arg(long)]
        release: bool,
        /// Arguments of the app.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Runs everything that has to be green: checks, unit tests, carriers, browser, the real app.
    ///
    /// Without steps, all of them run in the order shown, and the first failure ends the run with
    /// the command that repeats it. What stands after `--` goes to the test programs, for example
    /// a filter: `cargo xtask test desktop -- first_start`.
    Test {
        /// Only these steps.
        steps: Vec<Step>,
        /// Arguments of the test programs.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Runs what is quick: format, lints, docs, types, bindings, licences, the promises.
    Check {
        /// Only these steps.
        steps: Vec<Step>,
    },
    /// Compares Veranda with nginx, in one run, as ratios.
    ///
    /// What stands after `--` goes to the benchmark; `cargo xtask bench -- --help` lists it.
    Bench {
        /// Arguments of the benchmark.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Writes the TypeScript types of the window from `crates/desktop`.
    Bindings,
    /// Writes the gateway's page for browser tabs from `ui/src/tab`.
    Tab,
    /// Only installs (or names) what the system lacks.
    Setup {
        /// For what.
        #[arg(default_value = "test")]
        purpose: Purpose,
    },
}

fn main() -> ExitCode {
    match work(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: Arguments) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    let consent = setup::Consent { given: arguments.yes };
    match arguments.task {
        Task::Run { release, arguments } => run::run(&workspace, consent, release, &arguments),
        Task::Test { steps, arguments } => {
            let steps = if steps.is_empty() { Step::ALL.to_vec() } else { steps };
            steps::run(&workspace, consent, "test", &steps, &arguments)
        }
        Task::Check { steps } => {
            let steps = if steps.is_empty() { Step::QUICK.to_vec() } else { steps };
            steps::run(&workspace, consent, "check", &steps, &[])
        }
        Task::Bench { arguments } => bench::bench(&workspace, consent, &arguments),
        Task::Bindings => bindings::write(&workspace),
        Task::Tab => tab::write(&workspace),
        Task::Setup { purpose } => setup::prepare(purpose, consent),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
