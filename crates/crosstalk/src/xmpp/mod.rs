//! CrossTalk over XMPP, as far as it needs no connection: what is in the stanzas, and their order.

pub use jid::{BareJid, FullJid, Jid};
