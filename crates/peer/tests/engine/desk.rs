//! What tests of hand-overs share: two visitors, and the newest hand-over.

use peer::{HandOver, Peer};

use crate::until;

pub(crate) const SHE: &str = "192.0.2.7";
pub(crate) const ANOTHER: &str = "198.51.100.9";

pub(crate) fn content(size: usize) -> Vec<u8> {
    (0..size).map(|place| u8::try_from(place % 251).unwrap()).collect()
}

/// Waits until the newest hand-over is like this.
pub(crate) async fn state(peer: &Peer, what: &str, is: impl Fn(&HandOver) -> bool) -> HandOver {
    let snapshot = until(peer, what, |now| now.hand_overs.first().is_some_and(&is)).await;
    snapshot.hand_overs[0].clone()
}

/// Waits for the link of the newest hand-over.
pub(crate) async fn link_of(peer: &Peer) -> String {
    state(peer, "a link", |one| one.url.is_some()).await.url.unwrap()
}

/// Returns the address of a path at the desk that this link is of.
pub(crate) fn at_desk(link: &str, path: &str) -> String {
    format!("{}{path}", link.split_once("/h/").unwrap().0)
}
