//! Sites: published, kept, switched, removed.

use crosstalk::registry::Reason;
use http::StatusCode;
use peer::{Event, Peer, PublishError, SiteTrouble, StartError};

use crate::{Home, event, file, gateway::Gateway, until, url};

#[tokio::test]
async fn a_published_folder_is_behind_its_link_and_nowhere_else() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    let mut events = peer.events();
    let site = peer.publish(&home.photos()).await.unwrap();
    let published = event(&mut events, "published", |event| match event {
        Event::Published { site, url } => Some((site, url)),
        _ => None,
    });
    let (published, url) = published.await;
    assert_eq!(published, site);
    assert_eq!(*url, *self::url(&peer).await);
    assert!(url.starts_with("http://photos-2026-"), "{url}");
    assert!(url.contains(".localhost:") && url.contains("/s/"), "{url}");
    let link = &gateway.links(1).await[0];
    let file = file(&url, "a.txt");
    let refused = gateway.visit(link, &file, None, 1).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let cookie = gateway.enter(link, &url).await;
    let found = gateway.visit(link, &file, Some(&cookie), 2).await;
    assert_eq!((found.status, &*found.text().await), (StatusCode::OK, "hello"));
    let first = event(&mut events, "first visitor", |event| match event {
        Event::FirstVisitor(site) => Some(site),
        _ => None,
    });
    assert_eq!(first.await, site);
    until(&peer, "one visitor", |snapshot| snapshot.sites[0].visitors == 1).await;
    peer.shutdown().await;
}

#[tokio::test]
async fn nothing_is_lost_over_a_restart() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, site, url) = home.publish(&gateway).await;
    peer.rename(&site, "Holiday").await.unwrap();
    peer.set_hidden_files(&site, true).await.unwrap();
    peer.set_paused(true).await.unwrap();
    let before = peer.snapshots().borrow().clone();
    peer.shutdown().await;
    let peer = home.peer(&gateway).await;
    let after = until(&peer, "back", |snapshot| !snapshot.sites.is_empty()).await;
    assert_eq!(after.sites, before.sites);
    assert_eq!(after.sites[0].url.as_deref(), Some(&*url), "the link is shown at once");
    assert!(after.paused);
    assert_eq!(peer.kept_aside(), None);
    peer.shutdown().await;
}

#[tokio::test]
async fn a_gateway_that_forgot_everything_learns_it_again() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, _, url) = home.publish(&gateway).await;
    gateway.links(1).await[0].close();
    gateway.orders().names.clear();
    gateway.links(1).await;
    let label = url.trim_start_matches("http://").split('.').next().unwrap();
    let wait = async {
        while !gateway.orders().names.contains_key(label) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::gateway::SOON, wait).await.unwrap();
    assert_eq!(self::url(&peer).await, url);
}

#[tokio::test]
async fn a_new_site_takes_another_name_and_a_known_one_says_that_it_is_taken() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    gateway.orders().taken = 2;
    let (peer, _, url) = home.publish(&gateway).await;
    peer.shutdown().await;
    // Somebody else has it by now, and the links that people have depend on it.
    for owner in gateway.orders().names.values_mut() {
        *owner = "somebody else".to_owned();
    }
    let peer = home.peer(&gateway).await;
    let taken = |trouble: &Option<SiteTrouble>| *trouble == Some(SiteTrouble::NameTaken);
    let snapshot = until(&peer, "taken", |snapshot| taken(&snapshot.sites[0].trouble)).await;
    assert_eq!(snapshot.sites[0].url, None);
    // It is free again.
    gateway.orders().names.clear();
    peer.retry();
    assert_eq!(self::url(&peer).await, url);
}

#[tokio::test]
async fn a_refusal_is_shown_in_the_gateways_words() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let peer = home.peer(&gateway).await;
    gateway.links(1).await;
    gateway.orders().refuse = Some((StatusCode::FORBIDDEN, Reason::NotAdmitted));
    peer.publish(&home.photos()).await.unwrap();
    let refused = Some(SiteTrouble::Refused("no, not today".to_owned()));
    until(&peer, "refused", |snapshot| {
        snapshot.sites.first().is_some_and(|site| site.trouble == refused)
    })
    .await;
    gateway.orders().refuse = None;
    peer.retry();
    url(&peer).await;
}

#[tokio::test]
async fn a_removed_site_gives_its_name_back_even_if_the_gateway_is_away_just_then() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, site, url) = home.publish(&gateway).await;
    let label = url.trim_start_matches("http://").split('.').next().unwrap().to_owned();
    let (port, address) = (gateway.port(), gateway.address.clone());
    let link = gateway.links(1).await.remove(0);
    drop(gateway);
    link.close();
    peer.remove(&site).await.unwrap();
    assert_eq!(peer.snapshots().borrow().sites, []);
    assert!(matches!(peer.remove(&site).await, Err(PublishError::Unknown)));
    peer.shutdown().await;
    let gateway = Gateway::start_at(([127, 0, 0, 1], port).into()).await;
    let peer = Peer::start(home.config(&address)).await.unwrap();
    let wait = async {
        while gateway.orders().released.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::gateway::SOON, wait).await.unwrap();
    assert_eq!(gateway.orders().released, [label]);
    peer.shutdown().await;
}

#[tokio::test]
async fn a_site_that_is_off_answers_nobody() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, site, url) = home.publish(&gateway).await;
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    let status = async || gateway.visit(link, &file(&url, "a.txt"), Some(&cookie), 9).await.status;
    assert_eq!(status().await, StatusCode::OK);
    peer.set_on(&site, false).await.unwrap();
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    peer.set_on(&site, true).await.unwrap();
    assert_eq!(status().await, StatusCode::OK);
    peer.set_paused(true).await.unwrap();
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    peer.set_paused(false).await.unwrap();
    assert_eq!(status().await, StatusCode::OK);
    peer.remove(&site).await.unwrap();
    assert_eq!(status().await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn hidden_files_are_served_when_asked_for() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    std::fs::write(home.photos().join(".hidden"), "psst").unwrap();
    let (peer, site, url) = home.publish(&gateway).await;
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    for (shown, status) in
        [(false, StatusCode::NOT_FOUND), (true, StatusCode::OK), (false, StatusCode::NOT_FOUND)]
    {
        peer.set_hidden_files(&site, shown).await.unwrap();
        assert_eq!(peer.snapshots().borrow().sites[0].hidden_files, shown);
        let seen = gateway.visit(link, &file(&url, ".hidden"), Some(&cookie), 1).await;
        assert_eq!(seen.status, status);
    }
}

#[tokio::test]
async fn a_folder_that_goes_away_and_comes_back_is_served_again() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, _, url) = home.publish(&gateway).await;
    let link = &gateway.links(1).await[0];
    let cookie = gateway.enter(link, &url).await;
    let away = home.folder.path().join("elsewhere");
    std::fs::rename(home.photos(), &away).unwrap();
    let gone = Some(SiteTrouble::FolderGone);
    until(&peer, "gone", |snapshot| snapshot.sites[0].trouble == gone).await;
    let seen = gateway.visit(link, &file(&url, "a.txt"), Some(&cookie), 1).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    std::fs::rename(&away, home.photos()).unwrap();
    until(&peer, "back", |snapshot| snapshot.sites[0].trouble.is_none()).await;
    let seen = gateway.visit(link, &file(&url, "a.txt"), Some(&cookie), 1).await;
    assert_eq!(seen.text().await, "hello");
}

#[tokio::test]
async fn what_cannot_be_published_is_refused_with_a_sentence() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, site, _) = home.publish(&gateway).await;
    let again = peer.publish(&home.photos().join("../Photos 2026")).await;
    assert!(matches!(again, Err(PublishError::Already(known)) if known == site));
    // The folder with our own store in it.
    let too_much = peer.publish(home.folder.path()).await;
    assert!(matches!(too_much, Err(PublishError::TooMuch(_))), "{too_much:?}");
    let missing = peer.publish(&home.folder.path().join("missing")).await.unwrap_err();
    assert!(missing.to_string().contains("it is not there"), "{missing}");
    let file = peer.publish(&home.photos().join("a.txt")).await.unwrap_err();
    assert!(file.to_string().contains("not a folder"), "{file}");
    assert_eq!(peer.snapshots().borrow().sites.len(), 1);
}

#[tokio::test]
async fn titles_are_made_printable() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, site, url) = home.publish(&gateway).await;
    for (name, title) in [("Holi\u{202e}day\n", "Holiday"), (" ", "Photos 2026")] {
        peer.rename(&site, name).await.unwrap();
        assert_eq!(peer.snapshots().borrow().sites[0].name, title);
    }
    assert_eq!(self::url(&peer).await, url, "the link stays");
}

#[tokio::test]
async fn a_damaged_store_is_kept_aside_and_said() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    std::fs::create_dir_all(home.store().parent().unwrap()).unwrap();
    std::fs::write(home.store(), "this is no database").unwrap();
    let (peer, _, url) = home.publish(&gateway).await;
    let aside = peer.kept_aside().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "this is no database");
    let second = Peer::start(home.config(&gateway.address)).await;
    assert!(matches!(second, Err(StartError::Store(..))), "one program at a time");
    peer.shutdown().await;
    let peer = home.peer(&gateway).await;
    assert_eq!(peer.kept_aside(), None);
    assert_eq!(self::url(&peer).await, url);
}

#[tokio::test]
async fn another_gateway_gives_other_links_and_the_first_one_the_old_ones() {
    let (home, gateway, other) = (Home::new(), Gateway::start().await, Gateway::start().await);
    let (peer, _, url) = home.publish(&gateway).await;
    peer.use_gateway(other.address.clone(), None).await;
    let port = format!(":{}/", other.port());
    let moved = until(&peer, "moved", |snapshot| {
        snapshot.sites[0].url.as_ref().is_some_and(|url| url.contains(&port))
    });
    let moved = moved.await.sites[0].url.clone().unwrap();
    let host = |url: &str| url.split(".localhost").next().unwrap().to_owned();
    assert_eq!(host(&moved), host(&url), "people may remember the name");
    let link = &other.links(1).await[0];
    other.enter(link, &moved).await;
    gateway.links(0).await;
    peer.use_gateway(gateway.address.clone(), None).await;
    until(&peer, "back", |snapshot| snapshot.sites[0].url.as_deref() == Some(&*url)).await;
    gateway.links(1).await;
}
