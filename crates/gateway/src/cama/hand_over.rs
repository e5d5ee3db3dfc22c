//! What a peer hands over to a visitor, by an answer of which it wants to know what her program read
//! ([`crosstalk::control::RECEIPT_READ`]).
//!
//! It is a relay session of which both ends are there already, so it needs no path, no places and no
//! wait: the peer's transaction sends, the visitor's request receives, and it lasts as long as the
//! answer. The body goes the way of a relayed one and is counted in the same place.

use crosstalk::{control::ReceiptState, transaction, transaction::Body};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    socket,
    transfer::{Outcome, Relayed, Seen, begin, follow},
};
use crate::{meter::Report, receipts::Ticket, shared::Connection};

/// Returns the body as the visitor gets it, and whom to tell what her connection takes. The ticket is
/// told what her program read; where the system does not say, what the connection took.
pub(crate) fn hand_over(
    connection: &Connection,
    body: Body,
    ticket: Ticket,
    turn: OwnedSemaphorePermit,
) -> (Body, Option<Box<dyn Report>>) {
    let shared = &connection.shared;
    let (started, receipt, early) = begin(&connection.meter);
    let (cut, under_way) = (shared.cut.clone(), shared.sessions.under_way());
    let relayed = Relayed::new(body, false, cut.clone().cancelled_owned(), early, None);
    ticket.tell_from_nothing();
    shared.visitors.spawn(async move {
        let _turn = turn;
        let tells = socket::tells();
        let tell = |seen: Seen| ticket.delivered(if tells { seen.certain } else { seen.taken });
        let followed = follow(started, &cut, &under_way, &tell);
        // Without an outcome, what was told last is what is known.
        let Some(outcome) = cut.run_until_cancelled(followed).await else { return };
        let Outcome { bytes, taken, complete } = outcome;
        let (bytes, state) = match complete {
            true => (bytes, ReceiptState::Complete),
            false => (if tells { bytes } else { taken }, ReceiptState::Cut),
        };
        Box::new(ticket).finish(bytes, state);
    });
    (transaction::boxed(relayed), receipt.report())
}
