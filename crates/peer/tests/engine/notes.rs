//! Visitors write to the owner, who answers.

use http::StatusCode;
use peer::{Event, Note, PublishError};

use crate::{Home, event, gateway::Gateway, until};

const NOTE: &str = "a=visitor-1,c=note,s=g,t=tab1,u=photos;The third photo is missing";

fn note_of(event: Event) -> Option<Note> {
    match event {
        Event::Note(note) => Some(note),
        _ => None,
    }
}

fn has_arrived(note: &Note) -> bool {
    note.reply.as_ref().is_some_and(|reply| reply.arrived)
}

#[tokio::test]
async fn a_note_is_told_kept_answered_and_forgotten() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, site, url) = home.publish(&gateway).await;
    let link = gateway.links(1).await.remove(0);
    let cookie = gateway.enter(&link, &url).await;
    let mut events = peer.events();
    let refused = gateway.message(&link, &url, "veranda-1=wrong", NOTE).await;
    assert_eq!(refused.0, StatusCode::FORBIDDEN);
    assert!(refused.1.contains("Open the link"), "{refused:?}");
    let taken = gateway.message(&link, &url, &cookie, NOTE).await;
    assert_eq!(taken.0, StatusCode::NO_CONTENT);
    let note = event(&mut events, "a note", note_of).await;
    assert_eq!((&note.site, &*note.text), (&site, "The third photo is missing"));
    assert!(note.answerable && !note.seen);
    until(&peer, "a note in the snapshot", |now| now.notes == [note.clone()]).await;
    peer.notes_seen(&site).await.unwrap();
    // The visitor is there, in another tab by now.
    gateway.orders().here = vec![("visitor-1".to_owned(), "tab2".to_owned())];
    peer.reply(note.id, "Here it is").await.unwrap();
    gateway.told(1).await;
    {
        let orders = gateway.orders();
        let told = &orders.told[0];
        assert_eq!(
            (told.header.command.as_deref(), &told.body[..]),
            (Some("reply"), &b"Here it is"[..])
        );
    }
    // Nothing counts as delivered before the visitor's page says that it has it.
    assert!(!has_arrived(&peer.snapshots().borrow().notes[0]));
    for forged in ["a=visitor-2,c=received;1-1", "a=visitor-1,c=received;1"] {
        assert_eq!(gateway.message(&link, &url, &cookie, forged).await.0, StatusCode::NO_CONTENT);
    }
    gateway.confirm(&link, &url, &cookie).await;
    until(&peer, "an answer that arrived", |now| now.notes.iter().all(has_arrived)).await;
    let before = peer.snapshots().borrow().notes.clone();
    peer.shutdown().await;
    let peer = home.peer(&gateway).await;
    let after = until(&peer, "kept notes", |now| !now.notes.is_empty()).await.notes;
    assert_eq!(after.len(), 1);
    assert_eq!((&after[0].text, after[0].seen), (&before[0].text, true));
    assert_eq!(
        after[0].reply.as_ref().map(|reply| (&*reply.text, reply.arrived)),
        Some(("Here it is", true))
    );
    peer.forget_note(note.id).await.unwrap();
    assert!(peer.snapshots().borrow().notes.is_empty());
    assert!(matches!(peer.forget_note(note.id).await, Err(PublishError::Unknown)));
    assert!(matches!(peer.reply(note.id, "hello").await, Err(PublishError::Unknown)));
    peer.shutdown().await;
    let peer = home.peer(&gateway).await;
    assert!(peer.snapshots().borrow().notes.is_empty());
    peer.shutdown().await;
}

#[tokio::test]
async fn an_answer_waits_for_a_visitor_who_left() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, _, url) = home.publish(&gateway).await;
    let link = gateway.links(1).await.remove(0);
    let cookie = gateway.enter(&link, &url).await;
    let mut events = peer.events();
    gateway.message(&link, &url, &cookie, NOTE).await;
    let note = event(&mut events, "a note", note_of).await;
    peer.reply(note.id, "Here it is").await.unwrap();
    assert!(!peer.snapshots().borrow().notes[0].reply.as_ref().unwrap().arrived);
    let tried = async {
        while gateway.asked("/veranda/taxi") < 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::gateway::SOON, tried).await.unwrap();
    // The tab that wrote is only resting in the browser's memory; the one that asks gets the answer.
    let here = |tab: &str| ("visitor-1".to_owned(), tab.to_owned());
    gateway.orders().here = vec![here("tab1"), here("tab9")];
    let fetch = "a=visitor-1,c=getTexts,t=tab9,u=photos;";
    assert_eq!(gateway.message(&link, &url, &cookie, fetch).await.0, StatusCode::NO_CONTENT);
    gateway.told(1).await;
    assert_eq!(gateway.orders().told[0].header.tab.as_deref(), Some("tab9"));
    gateway.confirm(&link, &url, &cookie).await;
    until(&peer, "an answer that arrived", |now| now.notes.iter().all(has_arrived)).await;
    // There is nothing more to send.
    let asked = gateway.asked("/veranda/taxi");
    assert_eq!(gateway.message(&link, &url, &cookie, fetch).await.0, StatusCode::NO_CONTENT);
    peer.notes_seen(&note.site).await.unwrap();
    assert_eq!(gateway.asked("/veranda/taxi"), asked);
    peer.shutdown().await;
}

#[tokio::test]
async fn an_unpleasant_visitor_is_silenced_and_so_are_all_when_the_owner_says_so() {
    let (home, gateway) = (Home::new(), Gateway::start().await);
    let (peer, site, url) = home.publish(&gateway).await;
    let link = gateway.links(1).await.remove(0);
    let cookie = gateway.enter(&link, &url).await;
    let mut events = peer.events();
    gateway.message(&link, &url, &cookie, NOTE).await;
    let note = event(&mut events, "a note", note_of).await;
    peer.block_writer(note.id).await.unwrap();
    assert!(peer.snapshots().borrow().notes.is_empty());
    assert_eq!(peer.snapshots().borrow().sites[0].blocked, 1);
    let (status, why) = gateway.message(&link, &url, &cookie, NOTE).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(why.contains("takes no notes"), "{why}");
    peer.shutdown().await;
    let peer = home.peer(&gateway).await;
    until(&peer, "who is blocked after a restart", |now| now.sites[0].blocked == 1).await;
    peer.unblock_writers(&site).await.unwrap();
    assert_eq!(peer.snapshots().borrow().sites[0].blocked, 0);
    let link = gateway.links(1).await.remove(0);
    assert_eq!(gateway.message(&link, &url, &cookie, NOTE).await.0, StatusCode::NO_CONTENT);
    peer.set_takes_notes(&site, false).await.unwrap();
    assert!(!peer.snapshots().borrow().sites[0].takes_notes);
    assert_eq!(gateway.message(&link, &url, &cookie, NOTE).await.0, StatusCode::FORBIDDEN);
    peer.shutdown().await;
    let peer = home.peer(&gateway).await;
    assert!(!peer.snapshots().borrow().sites[0].takes_notes);
    assert_eq!(peer.snapshots().borrow().notes.len(), 1);
    peer.remove(&site).await.unwrap();
    assert!(peer.snapshots().borrow().notes.is_empty());
    peer.shutdown().await;
}
