//! Measures Veranda beside nginx, in one run, and prints shares.
//!
//! nginx is the origin (it serves the files) and the reference (it passes requests on to that
//! origin). `veranda-gateway` and `veranda-peer` publish the same folder. All of them run on this
//! computer and are loaded in turns, so that what else the computer does meets all alike; rounds
//! in which it does much else are left out. Every figure is a median, as a share of the nginx hop.
//! Relay sessions pass a body from one program to another, and stand beside an upload through nginx.
//!
//! It reads `/proc`, so it runs on Linux alone.

#[cfg(target_os = "linux")]
mod cells;
#[cfg(target_os = "linux")]
mod chat;
#[cfg(target_os = "linux")]
mod ibb;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod systems;
#[cfg(target_os = "linux")]
mod visitor;

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> anyhow::Result<()> {
    anyhow::bail!("the benchmark reads /proc and so runs on Linux alone")
}
