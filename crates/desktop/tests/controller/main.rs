//! The whole app without its window: a notebook for a desktop, memory for a keychain, and a real
//! peer with a real gateway inside.

mod accounts;
mod app;
mod chat;
mod gateways;
mod hand_over;
mod keys;
mod language;
mod notes;
mod publishing;
mod staying;
mod visitor;
