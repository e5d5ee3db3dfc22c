//! What is handed over, while the gateway, the peer or the visitor's program is killed again and again:
//! the owner is never told of more than the visitor has on her disk, nor is a visitor of more than lies in
//! the owner's folder; and whoever goes on ends with the same file.

// Elsewhere nothing tells what a program read.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![expect(clippy::print_stdout, reason = "the figures are part of what these tests show")]

mod asks;
mod programs;
mod rounds;
mod sends;
