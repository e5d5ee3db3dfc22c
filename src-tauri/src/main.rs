//! Veranda's window and tray: thin, everything is decided in `desktop`.

// No console behind the window on Windows.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod again;
mod arguments;
mod backstage;
mod commands;
mod dialogs;
mod file_manager;
mod folders;
mod language;
#[cfg(target_os = "linux")]
mod login_start;
mod retry;
mod shell;
mod start;
mod tray;
mod viewer;
mod window;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::arguments::Arguments;

/// Says what the log says: `VERANDA_LOG=debug`. Without it, what helps somebody at night.
const LOG_VARIABLE: &str = "VERANDA_LOG";

/// What is logged without that.
const LOG_DEFAULT: &str = "info,arboard=error,tracing=warn,zbus=warn";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter =
        EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match start::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "Veranda cannot start");
            ExitCode::FAILURE
        }
    }
}
