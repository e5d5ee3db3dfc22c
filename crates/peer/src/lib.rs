//! The engine behind the app, and the headless `veranda-peer`: identities, sites, sessions, the
//! link to a gateway, and what was delivered.

mod engine;
pub mod keys;
mod model;

pub use engine::{Config, Peer, StartError};
pub use model::{
    Ended, Event, LinkState, LinkTrouble, PublishError, SiteId, SiteState, SiteTrouble, Snapshot, TransferEnd, TransferId,
    TransferRecord, TransferState,
};
