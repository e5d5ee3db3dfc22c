//! CrossTalk over XMPP, as far as it needs no connection: what is in the stanzas, and their order.

pub mod classic;
pub mod ct2;
pub mod pace;

pub use jid::{BareJid, FullJid, Jid};
