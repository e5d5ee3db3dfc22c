//! What every carrier must do, as one list of [`cases`], run over real sockets: a visitor, the real
//! gateway, a link over the carrier, and a [`site`] that provokes.
//!
//! A new carrier is a new [`Wire`](world::Wire); it passes all cases, or says cleanly that it
//! cannot (a 501 for visitors' WebSockets).

pub mod cases;
pub mod site;
pub mod world;
