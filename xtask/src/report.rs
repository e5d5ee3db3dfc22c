//! What a person at a terminal reads.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "talking to a terminal is its job")]

use std::time::Duration;

/// Says a line.
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Begins a part of the work.
pub(crate) fn heading(line: &str) {
    println!("\n=== {line}");
}

/// Says why the work ended early.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("\n{error:#}");
}

/// Shows how long each step took.
pub(crate) fn summary(steps: &[(String, Duration, Verdict)]) {
    let width = steps.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    println!("\n=== Summary");
    for (name, time, verdict) in steps {
        let verdict = match verdict {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Failed => "FAILED".to_owned(),
            Verdict::NotHere(why) => format!("NOT RUN: {why}"),
        };
        println!("{name:width$}  {:>7.1} s  {verdict}", time.as_secs_f64());
    }
    let total: Duration = steps.iter().map(|(_, time, _)| *time).sum();
    println!("{:width$}  {:>7.1} s", "total", total.as_secs_f64());
}

/// How a step ended.
pub(crate) enum Verdict {
    /// It did what it should.
    Passed,
    /// It did not.
    Failed,
    /// This system cannot run it.
    NotHere(&'static str),
}
