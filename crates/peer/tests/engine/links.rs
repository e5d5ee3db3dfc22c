//! The link: found, lost, refused, found again.

use std::time::Duration;

use carriers::Carrier;
use crosstalk::{
    address::GatewayAddress,
    registry::{PTTH_PATH, Reason},
};
use http::StatusCode;
use peer::{Config, Ended, Event, LinkState, Obstacle, Peer, Scope, Snapshot, TransferEnd};
use tokio::time::Instant;

use crate::{Home, event, file, gateway::Gateway, until, url};

fn is_up(snapshot: &Snapshot) -> bool {
    matches!(snapshot.link, LinkState::Up { .. })
}

fn all_but(carrier: Carrier) -> Vec<Carrier> {
    Carrier::LADDER.into_iter().filter(|other| *other != carrier).collect()
}

/// Waits until the link uses this carrier, and returns the state.
async fn up_by(peer: &Peer, carrier: Carrier) -> LinkState {
    let is_it = |snapshot: &Snapshot| matches!(&snapshot.link, LinkState::Up { carrier: by, .. } if *by == carrier);
    until(peer, "another carrier", is_it).await.link
}

#[tokio::test]
async fn what_gets_through_is_found_and_remembered() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    gateway.orders().blocked = all_but(Carrier::PtthHttp1);
    let (peer, ..) = home.publish(&gateway).await;
    let LinkState::Up { missed, .. } = up_by(&peer, Carrier::PtthHttp1).await else { panic!() };
    let better: Vec<_> = missed.iter().map(|missed| missed.carrier).collect();
    assert_eq!(better, [Carrier::Petrichor, Carrier::PtthHttp2]);
    assert!(missed.iter().all(|missed| missed.obstacle == Obstacle::Blocked), "{missed:?}");
    peer.shutdown().await;
    gateway.links(0).await;
    // After a restart it is the first that is tried, although more would work by now.
    gateway.orders().blocked = Vec::new();
    let peer = home.peer(&gateway).await;
    let LinkState::Up { missed, .. } = up_by(&peer, Carrier::PtthHttp1).await else { panic!() };
    assert_eq!(missed, []);
}

/// Something on the way may forbid what it does not know; that is no word of the gateway's.
#[tokio::test]
async fn a_carrier_that_is_forbidden_on_the_way_leads_to_another() {
    for status in [StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE] {
        let (home, gateway) = (Home::new(), Gateway::start().await);
        gateway.orders().blocked = all_but(Carrier::PtthHttp1);
        gateway.orders().forbids = Some(status);
        let peer = home.peer(&gateway).await;
        up_by(&peer, Carrier::PtthHttp1).await;
    }
}

#[tokio::test]
async fn a_better_carrier_takes_over_and_transfers_go_on() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    gateway.orders().blocked = all_but(Carrier::PtthHttp1);
    crate::write(&home.photos().join("film.mp4"), 20_000_000);
    let (peer, _, url) = home.publish(&gateway).await;
    let old = gateway.links(4).await;
    let cookie = gateway.enter(&old[0], &url).await;
    let seen = gateway.visit(&old[0], &file(&url, "film.mp4"), Some(&cookie), 1).await;
    gateway.orders().blocked = all_but(Carrier::PtthHttp2);
    peer.retry();
    up_by(&peer, Carrier::PtthHttp2).await;
    assert_eq!(seen.bytes().await.len(), 20_000_000);
    // The old links are given up when they are idle.
    let links = gateway.links(1).await;
    assert_eq!(links[0].carrier(), Carrier::PtthHttp2);
}

#[tokio::test]
async fn what_an_ended_link_of_a_pool_left_open_ends_when_a_better_one_takes_over() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    gateway.orders().blocked = all_but(Carrier::PtthHttp1);
    crate::write(&home.photos().join("film.mp4"), 20_000_000);
    let (peer, _, url) = home.publish(&gateway).await;
    let old = gateway.links(4).await;
    let cookie = gateway.enter(&old[0], &url).await;
    let _seen = gateway.visit(&old[0], &file(&url, "film.mp4"), Some(&cookie), 1).await;
    until(&peer, "a transfer", |snapshot| !snapshot.transfers.is_empty()).await;
    old[0].close();
    gateway.links(4).await;
    gateway.orders().blocked = all_but(Carrier::PtthHttp2);
    peer.retry();
    up_by(&peer, Carrier::PtthHttp2).await;
    let ended = until(&peer, "its end", |snapshot| !snapshot.history.is_empty()).await;
    assert_eq!(ended.history[0].end, TransferEnd::Cut(Ended::Connection));
}

#[tokio::test]
async fn a_lost_link_comes_back_and_both_are_told() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let mut events = peer.events();
    let mut link_event = async |what: &str| {
        event(&mut events, what, |event| match event {
            Event::Link(state) => Some(state),
            _ => None,
        })
        .await
    };
    let up = link_event("up").await;
    assert!(matches!(up, LinkState::Up { .. }), "{up:?}");
    for _ in 0..2 {
        gateway.links(1).await[0].close();
        let LinkState::Down { trouble, retry_at } = link_event("down").await else { panic!() };
        assert!(trouble.heals && retry_at.is_some(), "{trouble:?}");
        assert!(matches!(link_event("up").await, LinkState::Up { .. }));
    }
    gateway.links(1).await;
}

#[tokio::test]
async fn a_gateway_that_is_away_at_the_start_is_found_when_it_comes() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (address, port) = (gateway.address.clone(), gateway.port());
    drop(gateway);
    let peer = Peer::start(home.config(&address)).await.unwrap();
    let site = peer.publish(&home.photos()).await.unwrap();
    let down = until(&peer, "down", |snapshot| matches!(snapshot.link, LinkState::Down { .. }));
    let LinkState::Down { trouble, retry_at } = down.await.link else { unreachable!() };
    assert!(trouble.to_string().contains("cannot be reached"), "{trouble}");
    assert!(trouble.heals && retry_at.is_some());
    let gateway = Gateway::start_at(([127, 0, 0, 1], port).into()).await;
    peer.retry();
    let up = until(&peer, "up", |snapshot| is_up(snapshot) && snapshot.sites[0].url.is_some());
    assert_eq!(up.await.sites[0].id, site);
    gateway.links(1).await;
}

#[tokio::test]
async fn a_gateway_that_says_no_is_left_alone_until_the_owner_tries_again() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    gateway.orders().refuse = Some((StatusCode::FORBIDDEN, Reason::NotAdmitted));
    let peer = home.peer(&gateway).await;
    let down = until(&peer, "refused", |snapshot| {
        matches!(&snapshot.link, LinkState::Down { retry_at: None, .. })
    });
    let LinkState::Down { trouble, .. } = down.await.link else { unreachable!() };
    assert!(!trouble.heals && trouble.to_string().contains("no, not today"), "{trouble}");
    let asked: usize = gateway.orders().asked.values().sum();
    // Longer than the first waits of the backoff.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(gateway.orders().asked.values().sum::<usize>(), asked);
    gateway.orders().refuse = None;
    peer.retry();
    until(&peer, "up", is_up).await;
}

#[tokio::test]
async fn an_old_gateway_gets_a_pool_of_links() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    gateway.orders().blocked = all_but(Carrier::PtthHttp1);
    let (peer, _, url) = home.publish(&gateway).await;
    let links = gateway.links(4).await;
    let up = until(&peer, "up", is_up).await.link;
    assert!(matches!(up, LinkState::Up { carrier: Carrier::PtthHttp1, .. }), "{up:?}");
    let cookie = gateway.enter(&links[0], &url).await;
    for link in &links {
        let seen = gateway.visit(link, &file(&url, "a.txt"), Some(&cookie), 1).await;
        assert_eq!(seen.text().await, "hello");
    }
    // One that ends is replaced, and nobody is told that the connection was lost.
    let mut events = peer.events();
    links[0].close();
    gateway.links(4).await;
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::Link(_)), "{event:?}");
    }
    for link in gateway.links(4).await {
        link.close();
    }
    until(&peer, "down", |snapshot| !is_up(snapshot)).await;
    gateway.links(4).await;
}

#[tokio::test]
async fn slow_visitors_of_an_old_gateway_leave_links_for_the_next() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    gateway.orders().blocked = all_but(Carrier::PtthHttp1);
    crate::write(&home.photos().join("film.mp4"), 20_000_000);
    let (_peer, _, url) = home.publish(&gateway).await;
    let mut links = gateway.links(4).await;
    let cookie = gateway.enter(&links[0], &url).await;
    let mut slow = Vec::new();
    while slow.len() < 12 {
        for link in links.iter().filter(|link| link.room() > 0) {
            let number = slow.len() as u64;
            slow.push(gateway.visit(link, &file(&url, "film.mp4"), Some(&cookie), number).await);
        }
        // Four are idle again, beside those whose visitors do not read on.
        links = gateway.links(4 + slow.len()).await;
    }
    let idle = links.iter().find(|link| link.room() > 0).unwrap();
    let seen = gateway.visit(idle, &file(&url, "a.txt"), Some(&cookie), 99).await;
    assert_eq!(seen.text().await, "hello");
}

#[tokio::test]
async fn peers_that_share_an_identity_each_link_their_own_name() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = Peer::start_with(home.config(&gateway.address), Scope::Site).await.unwrap();
    peer.publish(&home.photos()).await.unwrap();
    let url = url(&peer).await;
    let label = url.trim_start_matches("http://").split('.').next().unwrap();
    let link = &gateway.links(1).await[0];
    assert_eq!(gateway.asked(&format!("{PTTH_PATH}/{label}")), 1);
    assert_eq!(gateway.asked(PTTH_PATH), 0);
    gateway.enter(link, &url).await;
}

#[tokio::test]
async fn the_engine_ends_when_nobody_holds_it_any_more() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    gateway.links(1).await;
    let mut events = peer.events();
    drop(peer);
    gateway.links(0).await;
    let wait = async { while events.recv().await.is_ok() {} };
    tokio::time::timeout(crate::gateway::SOON, wait).await.unwrap();
    // The store is free for the next one.
    home.peer(&gateway).await.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn waits_between_dials_grow_to_half_a_minute_and_no_further() {
    let home = Home::new();
    // A port that nobody listens on: it was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gateway = GatewayAddress::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let config = Config { store: None, ..home.config(&gateway) };
    let peer = Peer::start(config).await.unwrap();
    let mut snapshots = peer.snapshots();
    let mut waits = Vec::new();
    while waits.len() < 9 {
        snapshots.wait_for(|snapshot| snapshot.link != LinkState::Dialling).await.unwrap();
        let down = Instant::now();
        snapshots.wait_for(|snapshot| snapshot.link == LinkState::Dialling).await.unwrap();
        waits.push(down.elapsed().as_secs_f64());
    }
    for (wait, whole) in waits.iter().zip([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]) {
        // The clock of the runtime counts in milliseconds.
        assert!((whole / 2.0 - 0.01..=whole + 0.01).contains(wait), "{waits:?}");
    }
    peer.shutdown().await;
}
