//! The real app in a real desktop, driven through its window, its tray, its notifications and its
//! links, as an owner and a visitor have them.
//!
//! Screenshots go to `target/screenshots`; those of failed tests are called `failed-<test>`.

#![cfg(target_os = "linux")]

mod accessibility;
mod accounts;
mod app;
mod choosing;
mod fetching;
mod handing_over;
mod keys;
mod language;
mod notes;
mod notifying;
mod showing;
mod starting;
mod tray;
mod visiting;
