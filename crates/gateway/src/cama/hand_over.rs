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
    // Its socket is held open to look at it, so it goes on counting as the visitor's.
    let held = (turn, connection.place.clone());
    shared.visitors.spawn(async move {
        let _held = held;
        let tells = socket::tells();
        ticket.tell_whether_read(tells);
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

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr, SocketAddr},
        sync::Arc,
    };

    use carriers::poll::accept::Session;
    use crosstalk::poll::Dialect;
    use tokio::sync::Semaphore;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::{Config, Gateway, receipts::Reporter, shared::ConnectionPlace};

    fn permit() -> OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
    }

    #[tokio::test]
    async fn a_connection_counts_as_the_visitors_while_it_is_looked_at() {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let domain = "localhost".to_owned();
        let config = Config { listen, domain, behind_proxy: false, data: None };
        let shared = Arc::new(Gateway::bind(config).await.unwrap().shared);
        let visitors = shared.visitors.clone();
        let place = ConnectionPlace { _permit: permit(), _turn: shared.connections.uncounted() };
        let (place, partner) = (Arc::new(place), IpAddr::from(Ipv4Addr::LOCALHOST));
        let counts = Arc::downgrade(&place);
        let connection = Connection { shared, meter: Arc::default(), partner, proofs: None, place };

        let tasks = TaskTracker::new();
        let (_session, link) = Session::begin(Dialect::Second, &tasks);
        let ticket = Reporter::new(link, tasks).begin(1);
        let (body, report) = hand_over(&connection, transaction::empty(), ticket, permit());
        drop((connection, body));
        assert_eq!(counts.strong_count(), 1);
        drop(report);
        visitors.close();
        visitors.wait().await;
        assert_eq!(counts.strong_count(), 0);
    }
}
