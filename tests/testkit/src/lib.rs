//! What the tests share: a gateway and a peer in a box, visitors with and without a browser, and a
//! whole desktop without a screen.

pub mod accounts;
pub mod chat;
pub mod chromium;
pub mod clicking;
#[cfg(target_os = "linux")]
pub mod desktop;
pub mod failing;
pub mod narrow;
pub mod ports;
pub mod processes;
pub mod prosody;
pub mod proxy;
pub mod raw_xmpp;
pub mod recorder;
pub mod visitor;
pub mod waiting;
pub mod whole;

use std::path::PathBuf;

/// Returns where screenshots go: `target/screenshots`.
///
/// # Errors
/// When the running program is not below a target folder, or the folder cannot be made.
pub fn screenshots() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    // A test program is target/debug/deps/name.
    let target = program.ancestors().nth(3);
    let folder = target.ok_or_else(|| anyhow::anyhow!("no target folder"))?.join("screenshots");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
