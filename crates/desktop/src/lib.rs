//! The app without a window: everything it decides. Tauri (or a test) only shows.
//!
//! One [`Request`] enum comes in, one [`View`] goes out.

mod request;
mod view;

pub use request::{NotificationKind, Request};
pub use view::{
    Connection, Cut, Gateway, Identity, KeyTrouble, Phase, Problem, ProblemCode, QrCode, Record,
    RecordEnd, Settings, Site, Transfer, View,
};
