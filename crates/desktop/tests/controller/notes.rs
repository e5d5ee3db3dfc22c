//! Visitors write to the owner.

use desktop::{NotificationKind, ProblemCode, Request};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{
    app::{App, DEADLINE, Home},
    visitor,
};

/// A visitor with the page of a site open.
struct Page(WebSocketStream<TcpStream>);

impl Page {
    async fn open(link: &str) -> Self {
        let (origin, secret) = link.split_once("/s/").expect("a session link");
        let entered = visitor::get(origin, &format!("/s/{secret}"), None).await;
        let host = origin.strip_prefix("http://").expect("a gateway on this computer");
        let request = http::Request::get(format!("ws://{host}/.well-known/veranda/taxi"))
            .header("host", host)
            .header("origin", origin)
            .header("cookie", entered.cookie())
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", "taxi")
            .body(())
            .expect("a request");
        let (_, port) = host.rsplit_once(':').expect("a port");
        let port = port.parse().expect("a number");
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        let (socket, _) = client_async(request, stream).await.expect("a WebSocket");
        let mut page = Self(socket);
        assert!(page.hear().await.contains("c=hello"));
        page
    }

    async fn hear(&mut self) -> String {
        loop {
            let next = timeout(DEADLINE, self.0.next()).await.expect("a message in time");
            if let Message::Text(text) = next.expect("a connection").expect("a message") {
                return text.to_string();
            }
        }
    }

    /// Writes a note and returns what became of it.
    async fn write(&mut self, site: &str, text: &str) -> String {
        self.0.send(Message::text(format!("c=note,t=1,u={site};{text}"))).await.expect("room");
        self.hear().await
    }
}

fn label(link: &str) -> &str {
    link.strip_prefix("http://").and_then(|rest| rest.split_once('.')).expect("a host").0
}

async fn published(home: &Home) -> (App, desktop::Site, String) {
    let app = home.ready().await;
    let site = app.publish(&home.folder("Photos", &[("a.txt", "a")])).await;
    let link = site.url.clone().expect("a link");
    (app, site, link)
}

#[tokio::test]
async fn a_note_is_shown_told_answered_and_put_away() {
    let home = Home::with_own_port();
    let (app, site, link) = published(&home).await;
    let mut page = Page::open(&link).await;
    let hostile = "The <b>third</b> photo\u{202e} is missing";
    assert!(page.write(label(&link), hostile).await.starts_with("c=received"));
    let view = app.until_view("a note", |view| view.sites[0].new_notes == 1).await;
    let note = &view.sites[0].notes[0];
    assert_eq!(note.text, "The <b>third</b> photo is missing");
    assert!(note.answerable && !note.seen && note.who.contains("this computer"), "{note:?}");

    let told =
        app.until("a notification", |notes| notes.titles().contains(&"A note about “Photos”"));
    let told = told.await.notifications.pop().expect("there is one");
    assert_eq!(told.answers.as_ref(), Some(&note.id));
    // A click on it shows the window with the notes.
    app.handle.click(told.click.expect("something to click on"));
    let opened = app.until("open notes", |notes| {
        notes.raised > 0 && notes.view.as_ref().is_some_and(|view| view.open_notes.is_some())
    });
    assert_eq!(opened.await.view.and_then(|view| view.open_notes), Some(site.id.clone()));
    app.do_it(Request::SeeNotes { site: site.id.clone() }).await;
    app.until_view("seen notes", |view| view.open_notes.is_none() && view.sites[0].new_notes == 0)
        .await;

    let answer = |text: &str| Request::AnswerNote { note: note.id.clone(), text: text.to_owned() };
    app.refused(answer("  "), ProblemCode::BadName).await;
    app.refused(answer(&"x".repeat(1001)), ProblemCode::BadName).await;
    app.do_it(answer("It is back.")).await;
    let heard = page.hear().await;
    let (header, text) = heard.split_once(';').expect("a message");
    assert!(header.contains("c=reply"), "{heard}");
    assert_eq!(text, "It is back.");
    let shown = app.until_view("an answer", |view| view.sites[0].notes[0].answer.is_some()).await;
    assert!(!shown.sites[0].notes[0].answer.as_ref().expect("it is there").arrived);
    let number = header.split(',').find_map(|pair| pair.strip_prefix("n=")).expect("a number");
    let confirm = format!("c=received,t=1,u={};{number}", label(&link));
    page.0.send(Message::text(confirm)).await.expect("room");
    let arrived = |view: &desktop::View| {
        view.sites[0].notes[0].answer.as_ref().is_some_and(|answer| answer.arrived)
    };
    app.until_view("an answer that arrived", arrived).await;

    app.do_it(Request::ForgetNote { note: note.id.clone() }).await;
    app.until_view("no notes", |view| view.sites[0].notes.is_empty()).await;
    app.refused(Request::ForgetNote { note: note.id.clone() }, ProblemCode::Unknown).await;
    app.refused(Request::ForgetNote { note: "x".to_owned() }, ProblemCode::Unknown).await;
    app.quit().await;
}

#[tokio::test]
async fn a_writer_is_blocked_and_notes_are_switched_off() {
    let home = Home::with_own_port();
    let (app, site, link) = published(&home).await;
    app.do_it(Request::SetNotification { kind: NotificationKind::Note, on: false }).await;
    let mut page = Page::open(&link).await;
    page.write(label(&link), "Buy now").await;
    let view = app.until_view("a note", |view| !view.sites[0].notes.is_empty()).await;
    let note = view.sites[0].notes[0].id.clone();
    app.do_it(Request::BlockWriter { note }).await;
    app.until_view("a blocked writer", |view| {
        view.sites[0].notes.is_empty() && view.sites[0].blocked == 1
    })
    .await;
    assert!(page.write(label(&link), "Buy now").await.contains("takes no notes"));
    app.do_it(Request::UnblockWriters { site: site.id.clone() }).await;
    assert!(page.write(label(&link), "Sorry").await.starts_with("c=received"));
    app.do_it(Request::SetTakesNotes { site: site.id, takes: false }).await;
    assert!(page.write(label(&link), "Hello?").await.contains("takes no notes"));
    let view = app.until_view("no place to write", |view| !view.sites[0].takes_notes).await;
    assert_eq!(view.sites[0].notes[0].text, "Sorry");
    let notes = app.quit().await;
    assert!(!notes.titles().iter().any(|title| title.contains("note")), "{:?}", notes.titles());
}
