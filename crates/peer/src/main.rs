//! `veranda-peer`: publishes a folder without a window.

mod command;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::command::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("VERANDA_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("This computer gives no threads: {error}"), 1),
    };
    let done = runtime.block_on(command::run(arguments));
    // A disk or a keychain that does not answer holds a thread, and nobody waits for that.
    runtime.shutdown_background();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure.sentence, failure.code),
    }
}

fn fail(sentence: &str, code: u8) -> ExitCode {
    // Without anybody to read it the code has to do.
    let _ = writeln!(io::stderr(), "{sentence}");
    ExitCode::from(code)
}
