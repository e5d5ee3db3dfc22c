//! Transfers: followed, confirmed, cut, kept.

use std::time::Duration;

use crosstalk::control::{Receipt, ReceiptState};
use http_body_util::BodyExt as _;
use peer::{Ended, Event, Peer, TransferEnd, TransferRecord};
use tokio::time::{Instant, timeout};

use crate::{
    Home, event, file,
    gateway::{Gateway, SOON},
    until, write,
};

/// More than all windows and buffers on the way.
const LARGE: usize = 8 * 1024 * 1024;

/// Waits for the end of a transfer.
async fn ended(peer: &Peer) -> TransferRecord {
    let over = |snapshot: &peer::Snapshot| !snapshot.history.is_empty();
    until(peer, "in the history", over).await.history.remove(0)
}

fn receipt(transaction: u64, delivered: usize, state: ReceiptState) -> Receipt {
    Receipt { transaction, delivered: delivered as u64, state, read: None }
}

#[tokio::test]
async fn a_transfer_is_live_and_then_in_the_history() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    write(&home.photos().join("large.bin"), LARGE);
    let (peer, site, url) = home.publish(&gateway).await;
    let mut events = peer.events();
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    let mut seen = gateway.visit(link, &file(&url, "large.bin"), Some(&cookie), 7).await;
    assert!(seen.wants_receipts());
    let live = until(&peer, "live", |snapshot| !snapshot.transfers.is_empty()).await;
    let live = &live.transfers[0];
    assert_eq!((&live.site, &*live.file, live.delivered), (&site, "large.bin", 0));
    assert_eq!((live.size, &*live.agent), (LARGE as u64, "curl"));
    assert_eq!(live.visitor, Some("192.0.2.7".parse().unwrap()));
    let mut taken = 0;
    while taken < LARGE / 2 {
        taken += seen.body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
    gateway.receipt(link, receipt(7, taken, ReceiptState::Running)).await;
    let delivered = |snapshot: &peer::Snapshot| snapshot.transfers[0].delivered == taken as u64;
    let half = until(&peer, "half", delivered).await;
    assert!(half.transfers[0].rate > 0 && half.transfers[0].sent >= taken as u64);
    assert_eq!(half.history, []);
    let rest = seen.body.collect().await.unwrap().to_bytes();
    assert_eq!(taken + rest.len(), LARGE);
    gateway.receipt(link, receipt(7, LARGE, ReceiptState::Complete)).await;
    let record = ended(&peer).await;
    assert_eq!((record.end, record.delivered), (TransferEnd::Complete, LARGE as u64));
    assert_eq!(record.site_name, "Photos 2026");
    assert_eq!(peer.snapshots().borrow().transfers, []);
    let started = event(&mut events, "started", |event| match event {
        Event::TransferStarted(state) => Some(state.id),
        _ => None,
    });
    assert_eq!(started.await, record.id);
    let told = event(&mut events, "ended", |event| match event {
        Event::TransferEnded(record) => Some(record),
        _ => None,
    });
    assert_eq!(told.await, record);
    // Over a restart, and until it is cleared.
    peer.shutdown().await;
    let peer = home.peer(&gateway).await;
    let kept = ended(&peer).await;
    let millis = |time: std::time::SystemTime| {
        time.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
    };
    assert_eq!(millis(kept.until), millis(record.until));
    assert_eq!(TransferRecord { since: record.since, until: record.until, ..kept }, record);
    peer.clear_history().await.unwrap();
    assert_eq!(peer.snapshots().borrow().history, []);
    peer.shutdown().await;
    let peer = home.peer(&gateway).await;
    until(&peer, "back", |snapshot| !snapshot.sites.is_empty()).await;
    assert_eq!(peer.snapshots().borrow().history, []);
}

#[tokio::test]
async fn a_stalled_transfer_stops_without_a_long_wait() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    write(&home.photos().join("large.bin"), LARGE);
    let (peer, _, url) = home.publish(&gateway).await;
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    let seen = gateway.visit(link, &file(&url, "large.bin"), Some(&cookie), 7).await;
    let live = until(&peer, "stalled", |snapshot| {
        snapshot.transfers.first().is_some_and(|transfer| transfer.sent > 0)
    });
    let id = live.await.transfers[0].id;
    let began = Instant::now();
    peer.stop_transfer(id).await;
    let record = ended(&peer).await;
    assert_eq!(record.end, TransferEnd::Cut(Ended::Owner));
    // One that was cut by others waits five seconds for its receipt.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    // The visitor gets no more than was on its way, and sees that it was cut.
    let body = timeout(SOON, seen.body.collect()).await.unwrap();
    assert!(body.is_err());
}

#[tokio::test]
async fn switching_off_cuts_what_is_under_way() {
    for pause in [false, true] {
        let (home, gateway) = (Home::new(), Gateway::start().await);
        write(&home.photos().join("large.bin"), LARGE);
        let (peer, site, url) = home.publish(&gateway).await;
        let link = &gateway.links(1).await[0];
        let cookie = gateway.enter(link, &url).await;
        let seen = gateway.visit(link, &file(&url, "large.bin"), Some(&cookie), 7).await;
        until(&peer, "live", |snapshot| !snapshot.transfers.is_empty()).await;
        if pause {
            peer.set_paused(true).await.unwrap();
        } else {
            peer.set_on(&site, false).await.unwrap();
        }
        assert_eq!(ended(&peer).await.end, TransferEnd::Cut(Ended::Owner));
        assert!(timeout(SOON, seen.body.collect()).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_visitor_who_leaves_and_a_link_that_breaks_are_told_apart() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    write(&home.photos().join("large.bin"), LARGE);
    let (peer, _, url) = home.publish(&gateway).await;
    let link = gateway.links(1).await.remove(0);
    let cookie = gateway.enter(&link, &url).await;
    let left = gateway.visit(&link, &file(&url, "large.bin"), Some(&cookie), 7).await;
    until(&peer, "live", |snapshot| snapshot.transfers.len() == 1).await;
    drop(left.body);
    gateway.receipt(&link, receipt(7, 1000, ReceiptState::Cut)).await;
    let record = ended(&peer).await;
    assert_eq!((record.end, record.delivered), (TransferEnd::Cut(Ended::Visitor), 1000));
    let cut = gateway.visit(&link, &file(&url, "large.bin"), Some(&cookie), 8).await;
    until(&peer, "live", |snapshot| snapshot.transfers.len() == 1).await;
    link.close();
    until(&peer, "two ended", |snapshot| snapshot.history.len() == 2).await;
    assert_eq!(ended(&peer).await.end, TransferEnd::Cut(Ended::Connection));
    drop(cut);
}

#[tokio::test]
async fn quitting_cuts_what_is_under_way_and_keeps_it() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    write(&home.photos().join("large.bin"), LARGE);
    let (peer, _, url) = home.publish(&gateway).await;
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    let _seen = gateway.visit(link, &file(&url, "large.bin"), Some(&cookie), 7).await;
    until(&peer, "live", |snapshot| !snapshot.transfers.is_empty()).await;
    let began = Instant::now();
    peer.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let peer = home.peer(&gateway).await;
    assert_eq!(ended(&peer).await.end, TransferEnd::Cut(Ended::Owner));
}

#[tokio::test]
async fn a_file_that_becomes_shorter_is_not_complete() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let path = home.photos().join("large.bin");
    write(&path, LARGE);
    let (peer, _, url) = home.publish(&gateway).await;
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    let seen = gateway.visit(link, &file(&url, "large.bin"), Some(&cookie), 7).await;
    until(&peer, "live", |snapshot| !snapshot.transfers.is_empty()).await;
    std::fs::File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
    assert!(timeout(SOON, seen.body.collect()).await.unwrap().is_err());
    gateway.receipt(link, receipt(7, 50, ReceiptState::Cut)).await;
    let record = ended(&peer).await;
    assert_eq!((record.end, record.delivered), (TransferEnd::Cut(Ended::File), 50));
}

#[tokio::test]
async fn many_small_files_are_all_recorded() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, _, url) = home.publish(&gateway).await;
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    for number in 1..=100 {
        let seen = gateway.visit(link, &file(&url, "a.txt"), Some(&cookie), number).await;
        assert_eq!(seen.text().await, "hello");
        gateway.receipt(link, receipt(number, 5, ReceiptState::Complete)).await;
    }
    let all = until(&peer, "all", |snapshot| snapshot.history.len() == 100).await;
    assert!(all.history.iter().all(|record| record.end == TransferEnd::Complete));
    peer.shutdown().await;
    let peer = home.peer(&gateway).await;
    until(&peer, "kept", |snapshot| snapshot.history.len() == 100).await;
}
