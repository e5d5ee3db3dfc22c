//! What is handed over: files to one visitor, or files of visitors into a folder.
//!
//! - The `book` knows everything about all hand-overs, the `tickets` who may, the `uploads` what is on its
//!   way from visitors. They do no IO and are told the time.
//! - `coming` is one file that a visitor sends.
//! - `turns` are the requests that wait for another one with their ticket.
//! - The `desk` is where requests and the engine meet; it follows what is fetched with a meter of its
//!   own, so that hand-overs are not in the history of sites.

mod book;
mod coming;
mod desk;
mod entry;
mod tickets;
mod turns;
mod uploads;

pub(crate) use self::{
    book::{Book, Happening, MAX_HAND_OVERS, Removed, Wish},
    coming::{Coming, Finish},
    desk::Desk,
    entry::{Goods, KeptHandOver, KeptReceived, Presence},
    tickets::{Standing, Taken, Ticket, Visitor, Worth},
    uploads::{FORGOTTEN_AFTER, Full, MAX_NAME, StoppedBy, Upload},
};

/// What the path of each address at the desk begins with.
pub(crate) const PREFIX: &str = "/h/";

#[cfg(test)]
pub(crate) use self::{
    desk::{STILL_AFTER, TURN_TIMEOUT},
    turns::TURNS_OF_ONE,
    uploads::MAX_DRAFTS,
};

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;
