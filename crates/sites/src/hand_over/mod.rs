//! Handing one thing over: files that go to one visitor ([`Parcel`]), and a folder into which
//! visitors put files ([`Inbox`]); with the pages that a visitor sees ([`pages`]).
//!
//! Who may come, how often, and what is remembered of it is the peer's business.

mod archive;
pub mod inbox;
mod layout;
mod name;
mod original;
pub mod pages;
mod parcel;
mod wish;

pub use self::{
    inbox::Inbox,
    parcel::{MAX_FILES, Parcel, ParcelError, ParcelFile},
};
