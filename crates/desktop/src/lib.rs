//! The app without a window: everything it decides. Tauri (or a test) only shows.
//!
//! One [`Request`] enum comes in, one [`View`] goes out. In between is the [`Controller`]: one owner
//! of everything, one loop, one closed enum of what can happen. What it needs from the desktop is
//! the [`Shell`]; what it needs from the keychain is [`Keychain`].
//!
//! - [`View`], [`tray::Tray`] and [`notices::Notification`] are values that are computed, and only
//!   handed out when they differ from the last ones.
//! - Text from visitors and gateways passes [`printable`](printable::printable) before it is in any
//!   of them.

mod account;
mod account_check;
mod bring_up;
mod controller;
pub mod display;
mod draft;
mod gateway_check;
mod identity;
mod keychain;
mod language;
mod link;
pub mod notices;
pub mod notifier;
pub mod printable;
pub mod qr;
mod request;
pub mod settings;
mod shell;
pub mod tray;
pub mod tray_host;
mod view;
pub mod words;

pub use account::{AccountError, KeptAccount, OwnerJid, Server};
pub use bring_up::{FIRST_PORT, PORT_PATIENCE};
pub use controller::{Controller, Handle, Options};
pub use keychain::{KEY_FILE, KeptIn, Keychain, SystemKeychain};
pub use language::Language;
pub use request::{NotificationKind, Passphrase, Request, TypedAccount};
pub use shell::{Answer, Choice, Shell};
pub use view::{
    Account, AccountTest, AccountTrouble, Connection, Cut, Direction, Draft, DraftFile, Gateway,
    HandOver, Identity, KeyTrouble, Knock, Pace, Passing, PasswordsIn, Phase, Problem, ProblemCode,
    QrCode, Received, Record, RecordEnd, Settings, Site, Stage, TestState, TestStep, Transfer,
    View,
};
