//! Begins a start anew that met another one in its way.
//!
//! The window system can be opened once in a process, so it takes a new program image.

#[cfg(unix)]
use std::{env, os::unix::process::CommandExt as _, process::Command, thread, time::Duration};

/// Counts the tries, from one image to the next.
#[cfg(unix)]
const TRIES_VARIABLE: &str = "VERANDA_TRIES";

/// How often a start is tried. With [`PAUSE`] that is longer than an app takes to quit.
#[cfg(unix)]
const MOST_TRIES: u32 = 50;

/// How long to wait before the next try.
#[cfg(unix)]
const PAUSE: Duration = Duration::from_millis(300);

/// Replaces this program by a fresh start of itself. Returns only when that is impossible, with the
/// reason.
#[cfg(unix)]
pub(crate) fn start_over(error: anyhow::Error) -> anyhow::Error {
    let tries = env::var(TRIES_VARIABLE).ok().and_then(|tries| tries.parse::<u32>().ok());
    let tries = tries.unwrap_or(0) + 1;
    if tries >= MOST_TRIES {
        return error.context("an app that runs already does not answer");
    }
    tracing::info!(%error, tries, "Another start is in the way; trying again");
    thread::sleep(PAUSE);
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return error.into(),
    };
    let failed = Command::new(program)
        .args(env::args_os().skip(1))
        .env(TRIES_VARIABLE, tries.to_string())
        .exec();
    failed.into()
}

/// Returns the reason: on Windows no start is in another one's way.
#[cfg(not(unix))]
pub(crate) fn start_over(error: anyhow::Error) -> anyhow::Error {
    error
}
