//! The engine behind the app, and the headless `veranda-peer`: identities, sites, sessions, the
//! link to a gateway, and what was delivered.
//!
//! - [`Peer`] is the handle; behind it one loop owns everything (`engine`).
//! - A request comes in over a link and meets the guard of its site (`front`, `session`); what the
//!   site delivers is followed by the meter (`meter`, `ledger`).
//! - What visitors write to the owner is in the book of notes (`notes`).
//! - What is given to one visitor, or taken from visitors, passes at the desk (`hand_over`,
//!   `front::hand_over`).
//! - The keeper holds the link and the names at the gateway (`keeper`, `names`, `registry`).
//! - What outlives a restart is in the store (`store`), except for keys ([`keys`]).

mod agent;
mod approach;
mod backoff;
mod busy;
mod classic;
mod engine;
mod fault;
mod folders;
mod front;
mod hand_over;
mod keeper;
pub mod keys;
mod ledger;
mod meter;
mod model;
mod names;
mod naming;
mod notes;
mod os_path;
mod pages;
mod rate;
mod registry;
mod session;
mod slow;
mod store;

pub use agent::Program;
pub use approach::{AccountStep, AccountTrouble, ask_gateway, test_account};
pub use classic::{Classic, ClassicConfig, ClassicNews, ClassicStartError};
pub use engine::{Config, Peer, StartError};
pub use fault::{FolderFault, GatewayFault, LinkFault, LoginFault, StoreFault};
pub use keeper::{Scope, prove};
pub use model::{
    Direction, Ended, Event, HandOver, HandOverError, HandOverId, HandOverTrouble, Knock, KnockId,
    LinkState, LinkTrouble, Missed, Note, NoteId, NoteReply, Obstacle, Passing, PublishError,
    Received, SiteId, SiteState, SiteTrouble, Snapshot, Stage, Terms, TransferEnd, TransferId,
    TransferRecord, TransferState,
};
pub use sites::hand_over::ParcelError;
pub use slow::slow_way;
